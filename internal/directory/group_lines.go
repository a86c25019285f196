package directory

import (
	"strconv"
	"strings"

	"countersign.dev/internal/db"
)

// GroupLines are groups by their internal ids, deleted ones too, in one query and without their members.
// Ids that nothing has are left out.
func GroupLines(tx *db.Tx, ids []string) (map[string]Group, error) {
	out := map[string]Group{}
	if len(ids) == 0 {
		return out, nil
	}
	marks, args := make([]string, len(ids)), make([]any, len(ids))
	for i, id := range ids {
		marks[i], args[i] = "$"+strconv.Itoa(i+1), id
	}
	for r, err := range db.Rows[groupRow](tx, `select `+groupColumns+` from signer_groups where id in (`+strings.Join(marks, ", ")+`)`, args...) {
		if err != nil {
			return nil, err
		}
		out[r.ID] = r.group()
	}
	return out, nil
}
