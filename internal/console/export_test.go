package console

// Line is a route as tests see it.
type Line struct {
	Pattern string
	Roles   role
	Right   bool // a right lets in, too
}

// Table is the table of pages.
func Table() (out []Line) {
	for _, t := range (&console{}).routes() {
		out = append(out, Line{t.pattern, t.roles, t.right != ""})
	}
	return out
}

// Roles by the names that tests give them.
var Roles = map[string]role{"operator": operator, "partner_admin": partnerAdmin, "partner_developer": partnerDeveloper,
	"administrator": administrator, "sender": sender, "member": member}

// Cell is csvCell.
var Cell = csvCell
