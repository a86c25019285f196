package directory_test

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
)

// seen is what a list of an account's users shows, with their groups, and its version.
func (h *house) seen(account string) (shown string, version int64) {
	h.t.Helper()
	err := h.db.Read(context.Background(), func(tx *db.Tx) error {
		list, err := directory.ListUsersAfter(tx, account, directory.ListedFilter{}, "", 1000)
		if err != nil {
			return err
		}
		groups, err := directory.MembershipsOf(tx, account, list[0].ID, list[len(list)-1].ID)
		if err != nil {
			return err
		}
		shown = fmt.Sprint(list, groups)
		version, err = directory.Version(tx, account)
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return shown, version
}

// listActs are the acts that change what a list of users shows, one after the other on the same account.
type listActs struct {
	h     *house
	v     *vendor
	a     directory.Account
	p     authz.Principal // a program that manages it
	mary  directory.User  // a sender
	group directory.Group
}

// each is the acts by the name of the exported function, in an order in which each changes something.
func (l *listActs) each(ctx context.Context) []namedAct {
	h, a, p := l.h, l.a, l.p
	in := func(act func(tx *db.Tx) error) error { return h.db.Write(ctx, act) }
	user := func(email string) directory.NewUser {
		return directory.NewUser{Email: email, FirstName: "Ann", LastName: "Lee"}
	}
	second := directory.User{}
	number := int64(0)
	locked := directory.Locked
	return []namedAct{
		{"AddUser", func() error {
			return in(func(tx *db.Tx) (err error) {
				second, err = directory.AddUser(tx, a.ID, user("second@partner.example"), directory.Standing{Status: directory.Invited})
				return err
			})
		}},
		{"AddNumbered", func() error {
			return in(func(tx *db.Tx) error {
				n, err := directory.AddNumbered(tx, a.ID, user("numbered@partner.example"), directory.Numbered{LegalName: "Ann Lee"}, "", "")
				number = n.Number
				return err
			})
		}},
		{"ChangeNumbered", func() error {
			return in(func(tx *db.Tx) error {
				_, err := directory.ChangeNumbered(tx, a.ID, number, directory.NumberedChange{Name: ptr("Other")})
				return err
			})
		}},
		{"InviteSender", func() error { _, _, err := h.InviteSender(ctx, p, user("third@partner.example")); return err }},
		{"InviteSender", func() error { _, _, err := h.InviteSender(ctx, p, user("second@partner.example")); return err }},
		{"CreatePartnerUser", func() error { _, err := l.v.create(a, "made@partner.example"); return err }},
		{"MailboxProven", func() error { return in(func(tx *db.Tx) error { return directory.MailboxProven(tx, second.ID) }) }},
		{"SignedIn", func() error { return in(func(tx *db.Tx) error { return directory.SignedIn(tx, second.ID) }) }},
		{"GiveLicence", func() error {
			return in(func(tx *db.Tx) error {
				_, err := directory.GiveLicence(tx, a.ID, directory.LicenceSalesforce, second.ID)
				return err
			})
		}},
		{"TakeLicence", func() error {
			return in(func(tx *db.Tx) error {
				_, err := directory.TakeLicence(tx, a.ID, directory.LicenceSalesforce, second.ID)
				return err
			})
		}},
		{"UpdateSender", func() error {
			_, err := h.UpdateSender(ctx, p, second.SenderID, directory.UserChange{Title: ptr("Clerk")})
			return err
		}},
		{"ChangeUser", func() error {
			return in(func(tx *db.Tx) error {
				_, err := directory.ChangeUser(tx, second.ID, directory.UserChange{Status: &locked})
				return err
			})
		}},
		{"UnlockUser", func() error { _, err := h.UnlockUser(ctx, p, second.SenderID); return err }},
		{"LockUser", func() error { _, err := h.LockUser(ctx, p, second.SenderID); return err }},
		{"ChangeAccountUser", func() error {
			_, err := h.ChangeAccountUser(ctx, p, second.SenderID, directory.UserChange{FirstName: ptr("Anna")})
			return err
		}},
		{"RetypeUser", func() error { _, err := h.RetypeUser(ctx, p, l.mary.SenderID, directory.Manager); return err }},
		{"SetPrivacyAdmin", func() error { _, err := h.SetPrivacyAdmin(ctx, p, l.mary.SenderID, true); return err }},
		{"ChangePartnerUser", func() error { return l.v.change(l.mary, "mary.new@partner.example", "") }},
		{"ChangePartnerUser", func() error { return l.v.change(second, "second@partner.example", "ACTIVE") }}, // unlocks
		{"DeleteSender", func() error { return h.DeleteSender(ctx, p, second.SenderID) }},
		{"Restore", func() error {
			return in(func(tx *db.Tx) error { _, err := directory.Restore(tx, second.ID); return err })
		}},
		{"Deactivate", func() error {
			return in(func(tx *db.Tx) error { _, err := directory.Deactivate(tx, second.ID); return err })
		}},
		{"RestoreUser", func() error { _, err := h.RestoreUser(ctx, p, second.SenderID); return err }},
		{"EndUser", func() error { return h.EndUser(ctx, p, second.SenderID) }},
		{"CreateGroup", func() (err error) {
			l.group, err = h.CreateGroup(ctx, p, directory.NewGroup{Name: "Legal", Members: []directory.NewMember{{SenderID: l.mary.SenderID}}})
			return err
		}},
		{"UpdateGroup", func() error { // its name
			_, err := h.UpdateGroup(ctx, p, l.group.OuterID, directory.GroupChange{Name: ptr("Legal Department")})
			return err
		}},
		{"RetypeMember", func() error {
			_, err := h.RetypeMember(ctx, p, l.group.OuterID, l.mary.SenderID, directory.Manager)
			return err
		}},
		{"RemoveMember", func() error { return h.RemoveMember(ctx, p, l.group.OuterID, l.mary.SenderID) }},
		{"AddMember", func() error {
			_, _, err := h.AddMember(ctx, p, l.group.OuterID, directory.NewMember{SenderID: l.mary.SenderID}, false)
			return err
		}},
		{"UpdateGroup", func() error { // its members
			_, err := h.UpdateGroup(ctx, p, l.group.OuterID, directory.GroupChange{Members: []directory.NewMember{}})
			return err
		}},
		{"UpdateGroup", func() error {
			_, err := h.UpdateGroup(ctx, p, l.group.OuterID, directory.GroupChange{Members: []directory.NewMember{{SenderID: l.mary.SenderID}}})
			return err
		}},
		{"InviteMember", func() error {
			_, _, err := h.InviteMember(ctx, p, l.group.OuterID, user("fourth@partner.example"), directory.Regular)
			return err
		}},
		{"DeleteGroup", func() error { return h.DeleteGroup(ctx, p, l.group.OuterID) }},
	}
}

type namedAct struct {
	name string
	act  func() error
}

// Each act that changes what a list of users shows raises the version of the directory.
func TestVersionGrowsWithTheList(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		v := h.vendor("Vendor Inc", "partner.example")
		a := v.account("One")
		l := &listActs{h: h, v: v, a: a, p: h.manager(a), mary: v.user(a, "mary@partner.example")}
		was, version := h.seen(a.ID)
		for _, act := range l.each(t.Context()) {
			if err := act.act(); err != nil {
				t.Fatalf("%s: %v", act.name, err)
			}
			is, next := h.seen(a.ID)
			if is == was {
				t.Errorf("%s changes nothing that a list shows: it proves nothing here", act.name)
			}
			if next <= version {
				t.Errorf("%s changes the list, and its version stays %d", act.name, next)
			}
			was, version = is, next
		}
		counted, real := h.recounted(a.ID, directory.LicenceSign, directory.LicenceSalesforce)
		if !reflect.DeepEqual(counted, real) {
			t.Errorf("counted %v, are %v", counted, real)
		}
	})
}

// elsewhere are the exported functions that write and change nothing of what a list of users shows.
var elsewhere = strings.Fields(`ActivatePartnersAtOnce AddDomainAs ChangeConsumables CreateAccountAs SetPartnerStatusAs VerifyDomainAs VouchDomainAs
	AddBusinessKey AddDomain ChangeChannel ChangeDelegates ChangeDocument
	ChangePartnerAccount ChangeSelf ChangeSettings CreateAccount CreatePartnerAccount CreateStaff DefineLicence NewLicence DeleteSignatureImage
	EndStaff HoldUser HoldActiveMember HoldActiveUser InviteAgain NumberedByID NumberedByKey OrganisationNamed Raise RegisterPartner SetAccount SetBusinessKeys
	SetPartner SetPartnerStatus SetSignatureImage SetSigningLogos StaffSignedIn Touch VerifyDomain VouchDomain`)

// looks are the exported functions that only read.
var looks = strings.Fields(`ChannelLogoOf CountInvited LogoOf OrganisationsOf SeeGroup SeeGroups
	Account AccountByID AccountByOuterID Accounts ActiveMember BrandOf BusinessKeysOf ChangedSince CheckPartner CountUsers
	DeclineReasons DelegationOf Delegates Document DocumentOf Documents Domains DomainsOfPartner ExpiryOf GenerationOf GetGroup GetSender GroupByID GroupByOuterID
	GroupLines GroupsOfUser HandoverOf Licences LicencesOf ListGroups ListSenders ListUsersAfter Logo ManagersOf MayConnect MayEnd MayManage MembershipsOf MembershipsOfListed
	NumberedUser OneUser OrganisationNames PartnerAccount PartnerAccounts PartnerOf PartnerOfClient PartnerUser PartnerUserByEmail Partners PartnersOf PendingMembers
	OperatorActor OrganisationByName OrganisationOf ReachesOrganisation SpeaksFor StaffActor
	PeopleAt PersonByID ProvenBy ReachedAccount ReachedAccounts ReachesAccount ReachesPartner Self SignatureImage SigningLogos StaffByID StaffMembers Usage UserByBusinessKey
	UserByEmail UserByID UserByPlatformID UserBySender Users UsersOfAccount Version`)

// Every exported function of the room that has a transaction is in one of the lists of this file: who adds one says
// which, and proves by TestVersionGrowsWithTheList that it raises the version if it must.
func TestEveryActSaysWhetherItChangesTheList(t *testing.T) {
	known := slices.Concat(elsewhere, looks)
	for _, act := range (&listActs{h: &house{}}).each(t.Context()) {
		known = append(known, act.name)
	}
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, f := range files {
		if strings.HasSuffix(f.Name(), "_test.go") || !strings.HasSuffix(f.Name(), ".go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), f.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if f, is := d.(*ast.FuncDecl); is && f.Name.IsExported() && transacts(f) {
				found = append(found, f.Name.Name)
			}
		}
	}
	for _, name := range found {
		if !slices.Contains(known, name) {
			t.Errorf("%s is in no list of this file", name)
		}
	}
	for _, name := range known {
		if !slices.Contains(found, name) {
			t.Errorf("there is no function %s any more", name)
		}
	}
}

// transacts reports a method of the directory, or a function of a transaction.
func transacts(f *ast.FuncDecl) bool {
	fields := f.Type.Params.List
	if f.Recv != nil {
		fields = f.Recv.List
	}
	if len(fields) == 0 {
		return false
	}
	star, is := fields[0].Type.(*ast.StarExpr)
	if !is {
		return false
	}
	if of, is := star.X.(*ast.Ident); is {
		return of.Name == "Directory"
	}
	of, is := star.X.(*ast.SelectorExpr)
	return is && of.Sel.Name == "Tx"
}
