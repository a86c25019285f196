package directory_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

var guid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

// Members are answered in the order in which they were given.
func TestMembersKeepTheirOrder(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		var members []directory.NewMember
		var want []string
		for i := range 12 {
			u := h.sender(fmt.Sprintf("signer%d@example.com", i), "Ann", "Lee")
			members, want = append([]directory.NewMember{{SenderID: u.SenderID}}, members...), append([]string{u.ID}, want...)
		}
		g, err := h.CreateGroup(t.Context(), h.p, directory.NewGroup{Name: "Desk", Members: members})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, m := range g.Members {
			got = append(got, m.ID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestCreateGroupWithMembers(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		bill, audrey := h.sender("signer3@example.com", "Bill", "Drake"), h.sender("signer4@example.com", "Audrey", "Mann")
		h.write(func(tx *db.Tx) error { return directory.MailboxProven(tx, bill.ID) })
		yes := true
		g, err := h.CreateGroup(t.Context(), h.p, directory.NewGroup{
			Name: "your_group_name", Email: "Group@Example.com", EmailMembers: &yes, Data: json.RawMessage(`{"a":1}`),
			Members: []directory.NewMember{{Email: "Signer3@example.com", MemberType: "REGULAR"}, {SenderID: audrey.SenderID, MemberType: "MANAGER"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if !guid.MatchString(g.OuterID) || g.Name != "your_group_name" || g.Email != "group@example.com" || !*g.EmailMembers || string(g.Data) != `{"a":1}` {
			t.Errorf("group %+v", g)
		}
		if len(g.Members) != 2 || g.Members[0].ID != bill.ID || g.Members[0].Pending || g.Members[0].MemberType != directory.Regular ||
			g.Members[1].ID != audrey.ID || !g.Members[1].Pending || g.Members[1].MemberType != directory.Manager || g.Members[1].Name() != "Audrey Mann" {
			t.Errorf("members %+v", g.Members)
		}
		for _, u := range []directory.User{bill, audrey} {
			if got := h.subjects(u.Email); !slices.Contains(got, "You can sign for your_group_name") {
				t.Errorf("%s got %q", u.Email, got)
			}
		}
		again, err := h.GetGroup(t.Context(), h.p, g.OuterID)
		if err != nil || again.ID != g.ID || len(again.Members) != 2 {
			t.Errorf("read back %+v, %v", again, err)
		}
		h.write(func(tx *db.Tx) error {
			groups, err := directory.GroupsOfUser(tx, bill.ID)
			if !slices.Equal(groups, []string{g.ID}) {
				t.Errorf("groups of Bill: %q", groups)
			}
			return err
		})
	})
}

func TestNameOfAGroup(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		for _, c := range []struct{ name, email, want string }{
			{"Desk", "desk@example.com", "Desk"}, {"  ", "desk@example.com", "desk@example.com"}, {"", "desk@example.com", "desk@example.com"},
			{"", "", "Signer group"}, {"", " ", "Signer group"}, {"desk@example.com", "", "desk@example.com"}, {"DESK", "", "DESK"},
		} {
			g, err := h.CreateGroup(t.Context(), h.p, directory.NewGroup{Name: c.name, Email: c.email})
			if err != nil || g.Name != c.want || len(g.Members) != 0 {
				t.Errorf("%+v: %+v, %v", c, g, err)
			}
		}
		for in, what := range map[*directory.NewGroup]string{
			{Name: "Desk"}: "group.name_taken", {Name: " Desk "}: "group.name_taken", {Name: "a\nb"}: "name.malformed", {Email: "x"}: "email.malformed",
			{OuterID: "a b"}: "group.id_malformed", {OuterID: "../x"}: "group.id_malformed", {OuterID: strings.Repeat("a", 65)}: "group.id_malformed",
			{OuterID: "\x00"}: "group.id_malformed", {Data: json.RawMessage("\"\xff\"")}: "data.malformed",
			{Data: json.RawMessage(`"` + strings.Repeat("x", 1<<16) + `"`)}: "data.malformed",
		} {
			_, err := h.CreateGroup(t.Context(), h.p, *in)
			refused(t, err, errs.Invalid, what)
		}
	})
}

func TestChosenGroupID(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		_, other := h.account("Other", "")
		in := directory.NewGroup{OuterID: "f04bc0de99DF", Name: "Desk"}
		if _, err := h.CreateGroup(t.Context(), h.p, in); err != nil {
			t.Fatal(err)
		}
		_, err := h.CreateGroup(t.Context(), h.p, directory.NewGroup{OuterID: in.OuterID})
		refused(t, err, errs.Invalid, "group.id_taken")
		_, err = h.GetGroup(t.Context(), other, in.OuterID)
		refused(t, err, errs.NotFound, "group.unknown")
		if _, err = h.CreateGroup(t.Context(), other, in); err != nil {
			t.Errorf("the same id and name in another account: %v", err)
		}
		for _, id := range []string{"", "nobody", "\x00", "\xff", "' or 1=1 --"} {
			_, err = h.GetGroup(t.Context(), h.p, id)
			refused(t, err, errs.NotFound, "group.unknown")
		}
	})
}

func TestMembersWhoCannotBe(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		mary, john := h.sender("mary@example.com", "Mary", "Doe"), h.sender("john@example.com", "John", "Smith")
		gone, locked := h.sender("gone@example.com", "Gone", ""), h.sender("locked@example.com", "Locked", "")
		lock := directory.Locked
		_, err := h.UpdateSender(t.Context(), h.p, locked.SenderID, directory.UserChange{Status: &lock})
		if err = errors.Join(err, h.DeleteSender(t.Context(), h.p, gone.SenderID)); err != nil {
			t.Fatal(err)
		}
		_, other := h.account("Other", "")
		stranger, _, err := h.InviteSender(t.Context(), other, directory.NewUser{Email: "stranger@example.com"})
		if err != nil {
			t.Fatal(err)
		}
		h.write(func(tx *db.Tx) error {
			_, err := directory.AddUser(tx, h.home.ID, directory.NewUser{Email: "guest@example.com"}, directory.Standing{Status: directory.Active, UserType: "Guest"})
			return err
		})
		mails := len(h.subjects(mary.Email))
		for _, c := range []struct {
			kind   errs.Kind
			what   string
			member directory.NewMember
		}{
			{errs.NotFound, "member.unknown", directory.NewMember{Email: "nobody@example.com"}},
			{errs.NotFound, "member.unknown", directory.NewMember{SenderID: "aaaaaaaaaaaa"}},
			{errs.NotFound, "member.unknown", directory.NewMember{SenderID: "\x00"}},
			{errs.NotFound, "member.unknown", directory.NewMember{Email: stranger.Email}},
			{errs.NotFound, "member.unknown", directory.NewMember{SenderID: stranger.SenderID}},
			{errs.NotFound, "member.unknown", directory.NewMember{Email: "guest@example.com"}},
			{errs.Invalid, "member.inactive", directory.NewMember{Email: gone.Email}},
			{errs.Invalid, "member.inactive", directory.NewMember{SenderID: gone.SenderID}},
			{errs.Invalid, "member.inactive", directory.NewMember{Email: locked.Email}},
			{errs.Invalid, "member.unnamed", directory.NewMember{MemberType: "REGULAR"}},
			{errs.Invalid, "member.mismatch", directory.NewMember{Email: mary.Email, SenderID: john.SenderID}},
			{errs.Invalid, "member.type", directory.NewMember{Email: john.Email, MemberType: "AD_HOC_GROUP_MEMBER"}},
			{errs.Invalid, "member.type", directory.NewMember{Email: john.Email, MemberType: "manager"}},
			{errs.Invalid, "member.twice", directory.NewMember{SenderID: mary.SenderID, MemberType: "MANAGER"}},
			{errs.Invalid, "email.malformed", directory.NewMember{Email: "x\r\n@example.com"}},
		} {
			_, err := h.CreateGroup(t.Context(), h.p, directory.NewGroup{Name: "Desk", Members: []directory.NewMember{{Email: mary.Email, MemberType: "REGULAR"}, c.member}})
			refused(t, err, c.kind, c.what)
		}
		if n := h.count(`select (select count(*) from signer_groups) + (select count(*) from group_members) + (select count(*) from group_names)`); n != 0 {
			t.Errorf("%d rows were left by refused calls", n)
		}
		if now := len(h.subjects(mary.Email)); now != mails {
			t.Errorf("refused calls sent %d mails", now-mails)
		}
		g, err := h.CreateGroup(t.Context(), h.p, directory.NewGroup{Members: []directory.NewMember{{Email: mary.Email, MemberType: "SIGNER"}, {SenderID: mary.SenderID, Email: mary.Email, MemberType: "REGULAR"}}})
		if err != nil || len(g.Members) != 1 || g.Members[0].MemberType != directory.Regular {
			t.Errorf("named twice alike: %+v, %v", g.Members, err)
		}
		_, err = h.CreateGroup(t.Context(), h.p, directory.NewGroup{Members: make([]directory.NewMember, 1001)})
		refused(t, err, errs.Invalid, "group.too_large")
	})
}

// T9: of many who give one name at once, one gets it; the others are told so.
func TestT9OneNameOneGroup(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		old := h.group("Old")
		var mu sync.Mutex
		var wg sync.WaitGroup
		won := 0
		name := "Desk"
		for i := range 20 {
			wg.Go(func() {
				var err error
				if i == 0 { // one renames, the others create
					_, err = h.UpdateGroup(t.Context(), h.p, old.OuterID, directory.GroupChange{Name: &name})
				} else {
					_, err = h.CreateGroup(t.Context(), h.p, directory.NewGroup{Name: name})
				}
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won++
				} else if !errs.Is(err, "group.name_taken") {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := h.count(`select count(*) from signer_groups where name = 'Desk'`); won != 1 || n != 1 {
			t.Errorf("T9: %d winners, %d groups", won, n)
		}
	})
}

func TestUpdateGroup(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		for _, n := range []string{"a", "b", "c"} {
			h.sender(n+"@example.com", strings.ToUpper(n), "")
		}
		g := h.group("Desk", "a@example.com", "b@example.com")
		h.group("Other")
		update := func(c directory.GroupChange) (directory.Group, error) {
			return h.UpdateGroup(t.Context(), h.p, g.OuterID, c)
		}
		taken, empty, fresh, email, no := "Other", "", "Front desk", "Desk@example.com", false
		_, err := update(directory.GroupChange{Name: &taken})
		refused(t, err, errs.Invalid, "group.name_taken")
		u, err := update(directory.GroupChange{EmailMembers: &no})
		if err != nil || u.EmailMembers != nil {
			t.Errorf("no choice, sent back as it is shown: %+v, %v", u, err)
		}
		yes := true
		if u, err = update(directory.GroupChange{EmailMembers: &yes}); err != nil || u.EmailMembers == nil || !*u.EmailMembers {
			t.Errorf("chosen: %+v, %v", u, err)
		}
		u, err = update(directory.GroupChange{Name: &fresh, Email: &email, EmailMembers: &no, Data: json.RawMessage(`[1]`)})
		if err != nil || u.Name != fresh || u.Email != "desk@example.com" || u.EmailMembers == nil || *u.EmailMembers || string(u.Data) != `[1]` || len(u.Members) != 2 {
			t.Errorf("changed: %+v, %v", u, err)
		}
		h.group("Desk") // the old name is free
		if u, err = update(directory.GroupChange{Name: &fresh}); err != nil || u.Name != fresh {
			t.Errorf("its own name again: %+v, %v", u, err)
		}
		if u, err = update(directory.GroupChange{Name: &empty}); err != nil || u.Name != "desk@example.com" {
			t.Errorf("without a name: %+v, %v", u, err)
		}
		u, err = update(directory.GroupChange{Members: []directory.NewMember{{Email: "b@example.com", MemberType: "MANAGER"}, {Email: "c@example.com"}}})
		if err != nil || len(u.Members) != 2 || u.Members[0].Email != "b@example.com" || u.Members[0].MemberType != "MANAGER" || u.Members[1].Email != "c@example.com" {
			t.Errorf("members: %+v, %v", u.Members, err)
		}
		for to, want := range map[string]int{"b@example.com": 1, "c@example.com": 1} {
			if got := h.subjects(to); len(slices.DeleteFunc(got, func(s string) bool { return !strings.HasPrefix(s, "You can sign for") })) != want {
				t.Errorf("%s got %q", to, got)
			}
		}
		_, err = update(directory.GroupChange{Members: named("a@example.com", "nobody@example.com")})
		refused(t, err, errs.NotFound, "member.unknown")
		if u, err = update(directory.GroupChange{Members: []directory.NewMember{}}); err != nil || len(u.Members) != 0 {
			t.Errorf("emptied: %+v, %v", u.Members, err)
		}
	})
}

func TestAddRetypeRemoveMember(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		mary := h.sender("mary@example.com", "Mary", "Doe")
		john := h.sender("john@example.com", "John", "Smith")
		g := h.group("Desk")
		add := func(m directory.NewMember, invite bool) directory.Member {
			t.Helper()
			_, is, err := h.AddMember(t.Context(), h.p, g.OuterID, m, invite)
			if err != nil {
				t.Fatal(err)
			}
			return is
		}
		invitations := func() (n int) {
			for _, s := range h.subjects(mary.Email) {
				if s == "You can sign for Desk" {
					n++
				}
			}
			return n
		}
		if m := add(directory.NewMember{Email: mary.Email}, false); m.MemberType != "REGULAR" || m.SenderID != mary.SenderID || invitations() != 0 {
			t.Errorf("added: %+v", m)
		}
		if m := add(directory.NewMember{SenderID: mary.SenderID, MemberType: "MANAGER"}, true); m.MemberType != "MANAGER" || invitations() != 1 {
			t.Errorf("invited: %+v", m)
		}
		if m := add(directory.NewMember{Email: mary.Email}, true); m.MemberType != "MANAGER" || invitations() != 2 {
			t.Errorf("again: %+v", m)
		}
		if n := h.count(`select count(*) from group_members`); n != 1 {
			t.Errorf("%d members", n)
		}
		if m, err := h.RetypeMember(t.Context(), h.p, g.OuterID, mary.SenderID, "REGULAR"); err != nil || m.MemberType != "REGULAR" {
			t.Errorf("retyped: %+v, %v", m, err)
		}
		_, err := h.RetypeMember(t.Context(), h.p, g.OuterID, mary.SenderID, "")
		refused(t, err, errs.Invalid, "member.type")
		_, err = h.RetypeMember(t.Context(), h.p, g.OuterID, john.SenderID, "REGULAR")
		refused(t, err, errs.NotFound, "member.unknown")
		refused(t, h.RemoveMember(t.Context(), h.p, g.OuterID, john.SenderID), errs.NotFound, "member.unknown")
		if err := h.RemoveMember(t.Context(), h.p, g.OuterID, mary.SenderID); err != nil {
			t.Fatal(err)
		}
		refused(t, h.hold(mary.ID, g.ID), errs.Denied, "member.removed")
		_, _, err = h.AddMember(t.Context(), h.p, "nobody", directory.NewMember{Email: mary.Email}, false)
		refused(t, err, errs.NotFound, "group.unknown")
	})
}

// Only managers of the account or of the group may change it (Conga Sign, 403 of PUT groups/{id}).
func TestWhoMayChangeAGroup(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		boss, member, outsider := h.sender("boss@example.com", "", ""), h.sender("member@example.com", "", ""), h.sender("out@example.com", "", "")
		head := h.sender("head@example.com", "", "")
		manager := directory.Manager
		if _, err := h.UpdateSender(t.Context(), h.p, head.SenderID, directory.UserChange{Type: &manager}); err != nil {
			t.Fatal(err)
		}
		g, err := h.CreateGroup(t.Context(), h.p, directory.NewGroup{Name: "Desk", Members: []directory.NewMember{
			{Email: boss.Email, MemberType: manager}, {Email: member.Email}}})
		if err != nil {
			t.Fatal(err)
		}
		as := func(user string) authz.Principal { p := h.p; p.User = user; return p }
		acts := map[string]func(p authz.Principal) error{
			"update": func(p authz.Principal) error {
				_, err := h.UpdateGroup(t.Context(), p, g.OuterID, directory.GroupChange{})
				return err
			},
			"add": func(p authz.Principal) error {
				_, _, err := h.AddMember(t.Context(), p, g.OuterID, directory.NewMember{Email: outsider.Email}, false)
				return err
			},
			"retype": func(p authz.Principal) error {
				_, err := h.RetypeMember(t.Context(), p, g.OuterID, outsider.SenderID, "REGULAR")
				return err
			},
			"remove": func(p authz.Principal) error { return h.RemoveMember(t.Context(), p, g.OuterID, outsider.SenderID) },
		}
		for _, name := range []string{"update", "add", "retype", "remove"} {
			for _, u := range []directory.User{member, outsider} {
				refused(t, acts[name](as(u.ID)), errs.Denied, "group.not_manager")
			}
			for _, u := range []string{boss.ID, head.ID, h.p.User} {
				if _, _, err := h.AddMember(t.Context(), h.p, g.OuterID, directory.NewMember{Email: outsider.Email}, false); err != nil {
					t.Fatal(err)
				}
				if err := acts[name](as(u)); err != nil {
					t.Errorf("%s by %s: %v", name, u, err)
				}
			}
		}
		list, count, err := h.ListGroups(t.Context(), as(member.ID), directory.GroupQuery{RequestType: "manager"})
		if err != nil || count != 0 || len(list) != 0 {
			t.Errorf("a plain member manages %d, %v", count, err)
		}
		if _, count, err = h.ListGroups(t.Context(), as(boss.ID), directory.GroupQuery{RequestType: "manager"}); err != nil || count != 1 {
			t.Errorf("a manager manages %d, %v", count, err)
		}
		if _, count, err = h.ListGroups(t.Context(), as(member.ID), directory.GroupQuery{}); err != nil || count != 1 {
			t.Errorf("a member sees %d, %v", count, err)
		}
		refused(t, h.DeleteGroup(t.Context(), as(member.ID), g.OuterID), errs.Denied, "group.not_manager")
		if err := h.DeleteGroup(t.Context(), as(boss.ID), g.OuterID); err != nil {
			t.Error(err)
		}
	})
}

func TestListGroups(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		h.sender("mary@example.com", "Mary", "Doe")
		for _, n := range []string{"Pharmacists North", "PHARMACISTS south", "50%", "a_b", `back\slash`, "ÖLMÜHLE"} {
			h.group(n, "mary@example.com")
		}
		_, other := h.account("Other", "")
		for name, want := range map[string]int{"": 6, "pharma": 2, "SOUTH": 1, "%": 1, "_": 1, `\`: 1, "ölmü": 1, "0%": 1, "a%b": 0, "\x00": 0, "nobody": 0} {
			list, count, err := h.ListGroups(t.Context(), h.p, directory.GroupQuery{Name: name})
			if err != nil || count != want || len(list) != want {
				t.Errorf("name %q: %d of %d, want %d; %v", name, len(list), count, want, err)
			}
		}
		list, count, err := h.ListGroups(t.Context(), h.p, directory.GroupQuery{From: 2, To: 3, Dir: "desc"})
		if err != nil || count != 6 || len(list) != 2 || list[0].Name != `back\slash` || list[1].Name != "a_b" || len(list[0].Members) != 1 {
			t.Errorf("page: %+v of %d, %v", list, count, err)
		}
		if _, count, err = h.ListGroups(t.Context(), other, directory.GroupQuery{}); err != nil || count != 0 {
			t.Errorf("another account sees %d, %v", count, err)
		}
		_, _, err = h.ListGroups(t.Context(), h.p, directory.GroupQuery{RequestType: "owner"})
		refused(t, err, errs.Invalid, "query.request_type")
	})
}

// G8: who is removed or deactivated, or whose group is deleted, is refused at
// his next statement. G13: a deleted group still names old packages.
func TestG8G13TakenAwayAtTheNextStatement(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		mary, john, ann := h.sender("mary@example.com", "Mary", ""), h.sender("john@example.com", "John", ""), h.sender("ann@example.com", "Ann", "")
		g := h.group("Desk", mary.Email, john.Email, ann.Email)
		for _, u := range []directory.User{mary, john, ann} {
			if err := h.hold(u.ID, g.ID); err != nil {
				t.Fatal(err) // invited members may act: signing proves their mailbox
			}
		}
		if err := h.DeleteSender(t.Context(), h.p, mary.SenderID); err != nil {
			t.Fatal(err)
		}
		refused(t, h.hold(mary.ID, g.ID), errs.Denied, "member.inactive")
		if err := h.RemoveMember(t.Context(), h.p, g.OuterID, john.SenderID); err != nil {
			t.Fatal(err)
		}
		refused(t, h.hold(john.ID, g.ID), errs.Denied, "member.removed")
		if err := h.DeleteGroup(t.Context(), h.p, g.OuterID); err != nil {
			t.Fatal(err)
		}
		refused(t, h.hold(ann.ID, g.ID), errs.Denied, "member.removed")
		refused(t, h.hold("nobody", g.ID), errs.Denied, "member.inactive")
		refused(t, h.DeleteGroup(t.Context(), h.p, g.OuterID), errs.NotFound, "group.unknown")
		h.write(func(tx *db.Tx) error {
			old, err := directory.GroupByID(tx, g.ID)
			if old.Name != "Desk" || old.Deleted.IsZero() || len(old.Members) != 0 {
				t.Errorf("the deleted group is %+v", old)
			}
			return err
		})
		again, err := h.CreateGroup(t.Context(), h.p, directory.NewGroup{OuterID: g.OuterID, Name: "Desk"})
		if err != nil || again.ID == g.ID {
			t.Errorf("its name and id are not free: %+v, %v", again, err)
		}
	})
}

// G8 on two connections: an act that holds a member is not overtaken by his
// removal or deactivation, and whoever comes after it is refused.
func TestG8HoldAndTakingAwayDoNotOverlap(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		for what, take := range map[string]func(g directory.Group, u directory.User) error{
			"member.removed": func(g directory.Group, u directory.User) error {
				return h.RemoveMember(t.Context(), h.p, g.OuterID, u.SenderID)
			},
			"member.inactive": func(_ directory.Group, u directory.User) error { return h.DeleteSender(t.Context(), h.p, u.SenderID) },
		} {
			mary := h.sender(what+"@example.com", "Mary", "")
			g := h.group(what, mary.Email)
			held, taken := make(chan struct{}), make(chan error, 1)
			go func() {
				<-held
				taken <- take(g, mary)
			}()
			var once sync.Once
			err := h.db.Write(t.Context(), func(tx *db.Tx) error {
				if err := directory.HoldActiveMember(tx, mary.ID, g.ID); err != nil {
					return err
				}
				once.Do(func() { close(held) })
				for begun := time.Now(); !waited(t, h, tx); { // SQLite lets nobody in anyway
					if len(taken) > 0 || time.Since(begun) > 10*time.Second {
						return fmt.Errorf("%s did not wait for the act that holds her", what)
					}
				}
				return nil
			})
			if err = errors.Join(err, <-taken); err != nil {
				t.Fatal(err)
			}
			refused(t, h.hold(mary.ID, g.ID), errs.Denied, what)
		}
	})
}

// waited reports that somebody waits for a row lock; on SQLite nobody is let in.
func waited(t *testing.T, h *house, tx *db.Tx) bool {
	t.Helper()
	if strings.HasPrefix(h.db.URL, "sqlite:") {
		return true
	}
	n, err := db.One[int](tx, `select count(*) from pg_locks where not granted and pid in
		(select pid from pg_locks where database = (select oid from pg_database where datname = current_database()))`)
	if err != nil {
		t.Fatal(err)
	}
	return n > 0
}

func BenchmarkCreateGroup(b *testing.B) {
	for _, engine := range []struct {
		name string
		open func(testing.TB) *dbtest.DB
	}{{"sqlite", dbtest.SQLite}, {"postgres", dbtest.Postgres}} {
		b.Run(engine.name, func(b *testing.B) {
			h := build(b, engine.open(b))
			h.sender("mary@example.com", "Mary", "Doe")
			h.sender("john@example.com", "John", "Smith")
			b.SetParallelism(4)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := h.CreateGroup(b.Context(), h.p, directory.NewGroup{Members: named("mary@example.com", "john@example.com")}); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}
