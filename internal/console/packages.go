package console

import (
	"strconv"
	"strings"
	"time"

	"countersign.dev/internal/signing"
)

// packagesAtOnce is how many packages a part of the list has.
const packagesAtOnce = 25

// packageLine is a package in the list.
type packageLine struct {
	signing.Package
	State    string // a status, or TRASH
	Sender   string
	Done, Of int    // roles that signed, of those that sign
	Signing  string // who is signing now
}

// packagesPage is the view of the list of packages.
type packagesPage struct {
	Form     form // the filter
	Packages []packageLine
	Inbox    bool // the viewer may ask for what waits for him
	Pager    pages
}

// packages lists the packages that the viewer sees.
func (c *console) packages(v *visit) error {
	v.trail("Packages", "")
	view := packagesPage{Form: form{Values: v.r.URL.Query()}, Inbox: v.p.User != ""}
	first, _ := strconv.Atoi(v.asked("after"))
	q := signing.Query{Search: v.asked("search"), First: max(0, first), Limit: packagesAtOnce, Sort: signing.ByUpdated, Inbox: view.Inbox && v.asked("inbox") == "yes"}
	switch status := v.asked("status"); status {
	case "":
	case "TRASH":
		trashed := true
		q.Trashed = &trashed
	default:
		q.Status = []signing.Status{signing.Status(status)}
	}
	found, err := c.Signing.Followed(v.ctx(), v.p, q)
	if err != nil {
		return err
	}
	for _, p := range found.Packages {
		view.Packages = append(view.Packages, lineOf(p))
	}
	next := ""
	if n := q.First + len(found.Packages); n < found.Count && len(found.Packages) > 0 {
		next = strconv.Itoa(n)
	}
	view.Pager = v.pager(next, number(found.Count)+plural(found.Count, " package", " packages"))
	return v.show("packages", view)
}

func lineOf(p signing.Package) packageLine {
	line := packageLine{Package: p, State: string(p.Status)}
	if p.Trashed {
		line.State = "TRASH"
	}
	for _, r := range p.Roles {
		if r.Kind == signing.Owner {
			line.Sender = strings.TrimSpace(r.Signer.FirstName + " " + r.Signer.LastName)
		}
		asked := r.Kind != signing.Owner || !r.Signed.IsZero() || signsOn(p, r.OuterID)
		if !asked {
			continue
		}
		line.Of++
		if !r.Signed.IsZero() {
			line.Done++
		}
		if r.Lease != nil && line.Signing == "" {
			line.Signing = r.Lease.Holder
		}
	}
	return line
}

// signsOn reports whether a role has a place to sign in a package.
func signsOn(p signing.Package, role string) bool {
	for _, d := range p.Documents {
		for _, a := range d.Approvals {
			if a.Role == role && !a.Disabled {
				return true
			}
		}
	}
	return false
}

// stage is a step on a package's way.
type stage struct {
	Title  string
	At     time.Time
	Words  string
	Tone   string // done, now, next, bad
	Roles  []roleCard
	Number int
}

// roleCard is a role on the way.
type roleCard struct {
	signing.RoleCourse
	Tone, Word string // done, now, open, next, bad; and in words
	Waiting    []signing.CoursePerson
	Form       form // for the reason to end somebody's turn
	Path       string
	Opened     int
}

// moments of one day.
type momentDay struct {
	At      time.Time
	Moments []signing.Moment
}

// packagePage is the view of one package.
type packagePage struct {
	signing.Course
	State  string
	Path   string
	Stages []stage
	Cards  []roleCard
	Days   []momentDay
	More   string // the address that shows all moments; empty: they are all there
	Trail  string // of the audit events of this package, for who may read them
	Events bool   // moments lead to their events
}

// momentsAtFirst is how many moments a page shows until somebody asks for all.
const momentsAtFirst = 60

// packagePage shows how a package goes.
func (c *console) onePackage(v *visit) error {
	view, err := v.packageView()
	if err != nil {
		return err
	}
	return v.show("package", view)
}

func (v *visit) packageView() (*packagePage, error) {
	id := v.r.PathValue("package")
	course, err := v.c.Signing.Progress(v.ctx(), v.p, id)
	if err != nil {
		return nil, err
	}
	v.trail("Packages", v.path("packages"), course.Package.Name, "")
	view := &packagePage{Course: course, State: string(course.Package.Status), Path: v.path("packages", id)}
	if course.Package.Trashed {
		view.State = "TRASH"
	}
	for _, r := range course.Roles {
		view.Cards = append(view.Cards, v.cardOf(r))
	}
	view.Stages = stagesOf(course, view.Cards)
	if view.Events = v.may("GET /console/accounts/{account}/audit"); view.Events {
		view.Trail = v.path("audit") + "?package=" + id
	}
	shown := course.Moments
	if len(shown) > momentsAtFirst && v.asked("all") != "yes" {
		shown, view.More = shown[len(shown)-momentsAtFirst:], view.Path+"?all=yes"
	}
	for i := len(shown) - 1; i >= 0; i-- {
		m := shown[i]
		if n := len(view.Days); n == 0 || m.At.Format(time.DateOnly) != view.Days[n-1].At.Format(time.DateOnly) {
			view.Days = append(view.Days, momentDay{At: m.At})
		}
		last := &view.Days[len(view.Days)-1]
		last.Moments = append(last.Moments, m)
	}
	return view, nil
}

// cardWords are what a role is in: its tone and a word.
var cardWords = map[string][2]string{"signed": {"done", "Signed"}, "held": {"now", "Being signed"}, "free": {"open", "To be signed"},
	"waiting": {"next", "Waits for others"}, "declined": {"bad", "Declined"}, "closed": {"next", "Closed"}}

func (v *visit) cardOf(r signing.RoleCourse) roleCard {
	words := cardWords[r.Phase]
	card := roleCard{RoleCourse: r, Tone: words[0], Word: words[1], Path: v.path("packages", v.r.PathValue("package"), "roles", r.OuterID), Form: filled()}
	if r.Phase == "free" && r.Invited.IsZero() {
		card.Tone, card.Word = "next", "Not asked yet"
	}
	for _, p := range r.People {
		if !p.Waiting.IsZero() && !p.Holds {
			card.Waiting = append(card.Waiting, p)
		}
		if !p.Opened.IsZero() {
			card.Opened++
		}
	}
	return card
}

// stagesOf is the way of a package: sent, each order of signing, and its end.
func stagesOf(c signing.Course, cards []roleCard) []stage {
	begin := stage{Title: "Sent", At: c.Package.Sent, Tone: "done", Words: c.Sender}
	if c.Package.Sent.IsZero() {
		begin.Title, begin.Tone = "Draft", "now"
	}
	out := []stage{begin}
	for i, card := range cards {
		if i == 0 || card.Order != cards[i-1].Order {
			out = append(out, stage{Title: "Sign"})
		}
		at := &out[len(out)-1]
		at.Roles = append(at.Roles, card)
	}
	steps := 0
	for i := range out {
		if len(out[i].Roles) == 0 {
			continue
		}
		steps++
		out[i].Number, out[i].Tone = steps, toneOf(out[i].Roles)
		if out[i].Roles[0].Order == 0 && len(cards) > len(out[i].Roles) {
			out[i].Words = "at any time"
		} else if len(out[i].Roles) > 1 {
			out[i].Words = "in any order"
		}
	}
	return append(out, endOf(c))
}

// toneOf is the tone of a step by those of its roles.
func toneOf(roles []roleCard) string {
	done, tone := 0, "next"
	for _, r := range roles {
		switch r.Tone {
		case "bad":
			return "bad"
		case "done":
			done++
		case "now", "open":
			tone = "now"
		}
	}
	if done == len(roles) {
		return "done"
	}
	return tone
}

func endOf(c signing.Course) stage {
	end := stage{Title: "Sealed", Tone: "next", Words: "when everybody has signed"}
	switch p := c.Package; p.Status {
	case signing.Completed, signing.Archived:
		end.Tone, end.At, end.Words = "done", p.Completed, ""
	case signing.Declined, signing.OptedOut:
		end.Title, end.Tone, end.Words = statusTag(p.Status).Word, "bad", ""
		if p.Declined != nil {
			end.At, end.Words = p.Declined.At, p.Declined.By
		}
	case signing.Expired:
		end.Title, end.Tone, end.At, end.Words = "Expired", "bad", p.Due, ""
	}
	return end
}

// breakLease ends the turn of who is signing for a role.
func (c *console) breakLease(v *visit) error {
	id, role := v.r.PathValue("package"), v.r.PathValue("role")
	err := c.Signing.BreakLease(v.ctx(), v.p, id, role, v.value("reason"))
	if err == nil {
		return v.done(v.path("packages", id), "lease.broken")
	}
	view, failed := v.packageView()
	if failed != nil {
		return failed
	}
	for i := range view.Cards {
		if view.Cards[i].OuterID == role {
			view.Cards[i].Form = v.refused(err)
		}
	}
	return v.again(err, "package", view)
}

// remind sends the invitation of a role again.
func (c *console) remind(v *visit) error {
	id := v.r.PathValue("package")
	if err := c.Signing.Notify(v.ctx(), v.p, id, v.r.PathValue("role"), v.value("message")); err != nil {
		return err
	}
	return v.done(v.path("packages", id), "package.reminded")
}

// withdraw moves a package to the trash, and takes it out of there.
func (c *console) withdraw(v *visit) error {
	id, trashed := v.r.PathValue("package"), v.value("trashed") == "yes"
	if err := c.Signing.Update(v.ctx(), v.p, id, signing.Change{Trashed: &trashed}); err != nil {
		return err
	}
	word := "package.restored"
	if trashed {
		word = "package.trashed"
	}
	return v.done(v.path("packages", id), word)
}
