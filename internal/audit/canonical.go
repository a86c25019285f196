package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

const saltBytes = 32

// leaf is an event as it enters the log. Members that are empty are left out;
// members are only ever added, for stored leaves are never rewritten.
type leaf struct {
	ID       string            `json:"id"`
	At       int64             `json:"at"` // epoch milliseconds
	Type     string            `json:"type"`
	Account  string            `json:"account,omitempty"`
	Package  string            `json:"package,omitempty"`
	Role     string            `json:"role,omitempty"`
	Document string            `json:"document,omitempty"`
	Actor    leafActor         `json:"actor"`
	Refused  bool              `json:"refused,omitempty"`
	Detail   map[string]string `json:"detail,omitempty"`
	Request  string            `json:"request,omitempty"`
	Personal string            `json:"personal"` // hexadecimal SHA-256 of salt and personal data
}

type leafActor struct {
	Kind   string `json:"kind"`
	Client string `json:"client,omitempty"`
	User   string `json:"user,omitempty"`
	Group  string `json:"group,omitempty"`
	// Through is the API user who acted as User.
	Through string `json:"through,omitempty"`
}

// personal is what lies beside a leaf.
type personal struct {
	Name       string            `json:"name,omitempty"`
	Email      string            `json:"email,omitempty"`
	Identified string            `json:"identified,omitempty"`
	IP         string            `json:"ip,omitempty"`
	UserAgent  string            `json:"user_agent,omitempty"`
	More       map[string]string `json:"more,omitempty"`
}

func leafOf(r Record, commitment string) leaf {
	a := r.Actor
	return leaf{ID: r.ID, At: r.At.UnixMilli(), Type: r.Type, Account: r.Account, Package: r.Package, Role: r.Role,
		Document: r.Document, Actor: leafActor{a.Kind, a.Client, a.User, a.Group, a.Through}, Refused: r.Refused,
		Detail: r.Detail, Request: r.Origin.RequestID, Personal: commitment}
}

func personalOf(r Record) personal {
	return personal{Name: r.Actor.Name, Email: r.Actor.Email, Identified: r.Actor.Identified,
		IP: r.Origin.IP, UserAgent: r.Origin.UserAgent, More: r.Personal}
}

// record puts an event together again.
func (l leaf) record(p personal) Record {
	return Record{ID: l.ID, At: time.UnixMilli(l.At).UTC(), Event: Event{
		Type: l.Type, Account: l.Account, Package: l.Package, Role: l.Role, Document: l.Document,
		Actor: Actor{Kind: l.Actor.Kind, Client: l.Actor.Client, User: l.Actor.User, Through: l.Actor.Through,
			Name: p.Name, Email: p.Email, Group: l.Actor.Group, Identified: p.Identified},
		Refused: l.Refused, Detail: maps.Clone(l.Detail), Personal: p.More,
	}, Origin: Origin{IP: p.IP, UserAgent: p.UserAgent, RequestID: l.Request}}
}

// canonical is v in the JSON Canonicalization Scheme: members sorted by UTF-16
// code units, no white space, the shortest escapes (RFC 8785 §3.2).
func canonical(v any) ([]byte, error) {
	text, err := json.Marshal(v) // replaces bytes that are not UTF-8
	if err != nil {
		return nil, err
	}
	value := jsontext.Value(text)
	err = value.Canonicalize()
	return value, err
}

func commitment(salt, personal []byte) string {
	h := sha256.New()
	h.Write(salt)
	h.Write(personal)
	return hex.EncodeToString(h.Sum(nil))
}

// crockford has no I, L, O and U, which people misread.
const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// ShortID is the name of an event for people, 10 characters of 5 bits each, as
// stamps show it: "7Q3XK0M2ZD". It follows from the event's id.
func ShortID(id string) string {
	sum := sha256.Sum256([]byte(id))
	var b strings.Builder
	for i := range 10 {
		b.WriteByte(crockford[sum[i]&31])
	}
	return b.String()
}
