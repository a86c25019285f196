package congasign

import (
	"cmp"
	"encoding/json"
	"strings"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/signing"
)

// packageIn is a package as clients send it, to create one or to change the
// members of its first level.
type packageIn struct {
	Name         *string        `json:"name"`
	Description  *string        `json:"description"`
	EmailMessage *string        `json:"emailMessage"`
	Language     *string        `json:"language"`
	Visibility   *string        `json:"visibility"`
	Type         *string        `json:"type"`
	Status       *string        `json:"status"`
	Autocomplete *bool          `json:"autocomplete"`
	Trashed      *bool          `json:"trashed"`
	Due          *date          `json:"due"`
	Settings     jsontext.Value `json:"settings"`
	Data         jsontext.Value `json:"data"`
	Roles        []roleIn       `json:"roles"`
	Documents    []documentIn   `json:"documents"`
	Messages     []messageIn    `json:"messages"`
	Sender       senderOfIn     `json:"sender"`
	keptIn
}

// senderOfIn is the sender of a new package.
type senderOfIn struct {
	ID        string `json:"id"`
	Email     string `json:"email"`
	FirstName string `json:"firstName"`
	LastName  string `json:"lastName"`
	Title     string `json:"title"`
	Company   string `json:"company"`
}

// keptIn are the members of a package that are only stored and shown. Whoever sends one means it to be there again.
type keptIn struct {
	Notarized              *bool          `json:"notarized"`
	NotaryRoleID           *string        `json:"notaryRoleId"`
	TimezoneID             *string        `json:"timezoneId"`
	Conditions             jsontext.Value `json:"conditions"`
	Limits                 jsontext.Value `json:"limits"`
	Consent                jsontext.Value `json:"consent"`
	SignedDocumentDelivery jsontext.Value `json:"signedDocumentDelivery"`
}

// keep checks the stored members and puts those that were sent into one object; nil when none was.
func (in keptIn) keep() (json.RawMessage, error) {
	kept := map[string]any{}
	if in.Notarized != nil {
		kept["notarized"] = *in.Notarized
	}
	for name, text := range map[string]*string{"notaryRoleId": in.NotaryRoleID, "timezoneId": in.TimezoneID} {
		if text == nil {
			continue
		}
		if len(*text) > 256 {
			return nil, errs.New(errs.Invalid, "text.too_long", "%s has at most 256 bytes.", name).On(name)
		}
		kept[name] = *text
	}
	for _, member := range []struct {
		name  string
		value jsontext.Value
		rule  rule
	}{{"conditions", in.Conditions, list}, {"limits", in.Limits, object}, {"consent", in.Consent, object},
		{"signedDocumentDelivery", in.SignedDocumentDelivery, object}} {
		if err := member.rule.of(member.name, member.value); err != nil {
			return nil, err
		}
		if v := given(member.value); v != nil {
			kept[member.name] = v
		}
	}
	if len(kept) == 0 {
		return nil, nil
	}
	return json.Marshal(kept)
}

// keptOut are the stored members as they are shown.
type keptOut struct {
	Notarized              bool           `json:"notarized"`
	NotaryRoleID           *string        `json:"notaryRoleId"`
	TimezoneID             string         `json:"timezoneId"`
	Conditions             jsontext.Value `json:"conditions,omitzero"`
	Limits                 jsontext.Value `json:"limits"`
	Consent                jsontext.Value `json:"consent"`
	SignedDocumentDelivery jsontext.Value `json:"signedDocumentDelivery"`
}

func wordKept(raw json.RawMessage) (out keptOut) {
	if raw != nil {
		_ = jsonv2.Unmarshal(raw, &out) // we wrote it
	}
	return out
}

// messageIn says why a role declines.
type messageIn struct {
	From struct {
		ID string `json:"id"`
	} `json:"from"`
	Content string `json:"content"`
}

// check refuses what would be kept as it came and be unreadable for clients afterwards.
func (in packageIn) check() error {
	if err := choice("visibility", or(in.Visibility, ""), "ACCOUNT or SENDER", "ACCOUNT", "SENDER"); err != nil {
		return err
	}
	if err := checkLanguage("language", or(in.Language, "")); err != nil {
		return err
	}
	if err := settings.of("settings", in.Settings); err != nil {
		return err
	}
	return object.of("data", in.Data)
}

// create maps a payload to the core. files are the documents' bytes in their order.
func (in packageIn) create(docs []signing.NewDocument) (signing.NewPackage, error) {
	out := signing.NewPackage{
		Name: or(in.Name, ""), Description: or(in.Description, ""), EmailMessage: or(in.EmailMessage, ""),
		Language: or(in.Language, ""), Visibility: or(in.Visibility, ""), Type: strings.ToUpper(or(in.Type, "")),
		Autocomplete: in.Autocomplete, Due: time.Time(or(in.Due, date{})),
		Settings: chosenSettings(in.Settings), Data: given(in.Data), Documents: docs,
		Sender: signing.NewSender{SenderID: in.Sender.ID, Email: in.Sender.Email, FirstName: in.Sender.FirstName, LastName: in.Sender.LastName,
			Title: in.Sender.Title, Company: in.Sender.Company},
	}
	switch signing.Status(or(in.Status, "")) {
	case "", signing.Draft:
	case signing.Sent:
		out.Send = true
	default:
		return out, errs.New(errs.Invalid, "package.transition", "A new package is DRAFT or SENT.").On("status")
	}
	err := in.check()
	if err != nil {
		return out, err
	}
	if out.Kept, err = in.keep(); err != nil {
		return out, err
	}
	out.Roles, err = rolesIn(in.Roles)
	return out, err
}

// change maps a partial update. Roles and documents in the payload are not updated, as at the vendor.
func (in packageIn) change() (signing.Change, error) {
	out := signing.Change{
		Name: in.Name, Description: in.Description, EmailMessage: in.EmailMessage, Language: filled(in.Language), Visibility: filled(in.Visibility),
		Autocomplete: in.Autocomplete, Trashed: in.Trashed, Due: (*time.Time)(in.Due),
		Settings: chosenSettings(in.Settings), Data: given(in.Data), Status: signing.Status(or(in.Status, "")),
	}
	if len(in.Messages) > 0 {
		out.DeclineRole, out.DeclineReason = in.Messages[0].From.ID, in.Messages[0].Content
	}
	if err := in.check(); err != nil {
		return out, err
	}
	var err error
	out.Kept, err = in.keep()
	return out, err
}

// defaultSettings are shown of a package without settings: client libraries read them unasked.
const defaultSettings = `{"ceremony":{"ada":false,"declineButton":true,"declineReasons":[],"disableDeclineOther":false,` +
	`"disableDownloadForUncompletedPackage":false,"disableFirstInPersonAffidavit":false,"disableInPersonAffidavit":false,` +
	`"disableOptOutOther":false,"disableSecondInPersonAffidavit":false,"enforceCaptureSignature":false,"hideCaptureText":false,` +
	`"hideLanguageDropdown":false,"hidePackageOwnerInPerson":false,"hideWatermark":false,"inPerson":false,"leftMenuExpand":false,` +
	`"optOutButton":false,"optOutReasons":[]},"integrationFrameworkWorkflows":[]}`

func shownSettings(kept json.RawMessage) jsontext.Value {
	if kept == nil {
		return jsontext.Value(defaultSettings)
	}
	return withoutNulls(kept)
}

// chosenSettings are the settings that a client sends; the defaults as they were shown are the same as none.
func chosenSettings(v jsontext.Value) json.RawMessage {
	if raw := given(v); raw == nil || string(withoutNulls(raw)) != string(withoutNulls(json.RawMessage(defaultSettings))) {
		return raw
	}
	return json.RawMessage("null")
}

// filled is a text that stands for a choice: empty is the same as not sent.
func filled(s *string) *string {
	if or(s, "") == "" {
		return nil
	}
	return s
}

// packageOut is a package with all that belongs to it.
type packageOut struct {
	ID           string         `json:"id"`
	Name         string         `json:"name"`
	Type         string         `json:"type"`
	Status       signing.Status `json:"status"`
	Trashed      bool           `json:"trashed"`
	Autocomplete bool           `json:"autocomplete"`
	Visibility   string         `json:"visibility"`
	Description  string         `json:"description"`
	EmailMessage string         `json:"emailMessage"`
	Language     string         `json:"language"`
	Created      date           `json:"created"`
	Updated      date           `json:"updated"`
	Due          *date          `json:"due"`
	Completed    *date          `json:"completed"`
	Sender       ownerOut       `json:"sender"`
	Roles        []roleOut      `json:"roles"`
	Documents    []documentOut  `json:"documents"`
	Messages     []messageOut   `json:"messages"`
	Settings     jsontext.Value `json:"settings"`
	Data         jsontext.Value `json:"data"`
	keptOut
}

// ownerOut is the sender of a package, with the members that client libraries cannot read as null.
type ownerOut struct {
	userOut
	Memberships none   `json:"memberships"`
	Status      string `json:"status"`
	Type        string `json:"type"`
}

func wordOwner(s signing.Signer, p signing.Package) ownerOut {
	return ownerOut{userOut: wordUser(s, p), Status: senderStatus(p.Owner.Status), Type: cmp.Or(p.Owner.Type, directory.Regular)}
}

// messageOut is why a signer declined.
type messageOut struct {
	Content   string  `json:"content"`
	Status    string  `json:"status"`
	Created   date    `json:"created"`
	Documents none    `json:"documents"`
	From      userOut `json:"from"`
	To        none    `json:"to"`
}

func wordPackage(p signing.Package) packageOut {
	out := packageOut{
		ID: p.OuterID, Name: p.Name, Type: p.Type, Status: p.Status, Trashed: p.Trashed, Autocomplete: p.Autocomplete,
		Visibility: p.Visibility, Description: p.Description, EmailMessage: p.EmailMessage, Language: p.Language,
		Created: date(p.Created), Updated: date(p.Updated), Due: when(p.Due), Completed: when(p.Completed),
		Settings: shownSettings(p.Settings), Data: jsontext.Value(p.Data),
		Documents: []documentOut{wordConsent(p)}, Roles: []roleOut{}, Messages: []messageOut{}, keptOut: wordKept(p.Kept),
	}
	for _, r := range p.Roles {
		if r.Kind == signing.Owner {
			out.Sender = wordOwner(r.Signer, p)
		}
		out.Roles = append(out.Roles, wordRole(r, p))
	}
	for _, d := range p.Documents {
		out.Documents = append(out.Documents, wordDocument(d))
	}
	if d := p.Declined; d != nil {
		out.Messages = append(out.Messages, wordRefusal(*d, p))
	}
	return out
}

// wordRefusal: the core tells the whole name of who declined; its two parts are
// the role's when it is a person's, else cut at the last blank. "X for Y" stays whole.
func wordRefusal(d signing.Refusal, p signing.Package) messageOut {
	who := signing.Signer{Email: d.Email, FirstName: d.By}
	if i := strings.LastIndex(d.By, " "); i > 0 && !strings.Contains(d.By, " for ") {
		who.FirstName, who.LastName = d.By[:i], d.By[i+1:]
	}
	for _, r := range p.Roles {
		if s := r.Signer; r.OuterID == d.Role && strings.TrimSpace(s.FirstName+" "+s.LastName) == d.By {
			who.FirstName, who.LastName = s.FirstName, s.LastName
		}
	}
	from := wordUser(who, p)
	from.ID, from.Name = d.Role, d.By
	return messageOut{Content: d.Reason, Status: "NEW", Created: date(d.At), From: from}
}

// wordUser is a signer as a user; he has no dates of his own, so the package's stand there.
func wordUser(s signing.Signer, p signing.Package) userOut {
	return userOut{
		ID: s.OuterID, Name: strings.TrimSpace(s.FirstName + " " + s.LastName), Email: s.Email, FirstName: s.FirstName,
		LastName: s.LastName, Title: s.Title, Company: s.Company, Phone: s.Phone, Language: s.Language,
		Created: date(p.Created), Updated: date(p.Updated),
	}
}
