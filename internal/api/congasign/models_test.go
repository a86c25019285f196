package congasign

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"countersign.dev/internal/api/apitest"
)

// model is an object that client libraries read into a type (OneSpan Sign, Java library 11).
type model struct {
	parent string
	// never are the members that must not be null where they are there.
	never string
	// holds are the members that are, or are arrays of, other models: "name Model name Model".
	holds string
}

// entity is what most models extend.
var models = map[string]model{
	"Entity":       {never: "id name"},
	"Group":        {"Entity", "emailMembers members", "members GroupMember account Account"},
	"GroupMember":  {"", "email firstName lastName memberType pending userId", ""},
	"GroupSummary": {"Entity", "", ""},
	"Account":      {"Entity", "company created customFields licenses owner updated", "company Entity"},
	"Package": {"Entity", "trashed autocomplete description documents emailMessage messages roles sender status type updated visibility created",
		"documents Document roles Role sender Sender messages Message settings PackageSettings"},
	"Role":   {"Entity", "attachmentRequirements index signers specialTypes type", "signers Signer emailMessage BaseMessage attachmentRequirements AttachmentRequirement"},
	"User":   {"Entity", "company timezoneId created email firstName lastName professionalIdentityFields specialTypes updated userCustomFields", ""},
	"Signer": {"User", "auth delivery signerType", "auth Auth delivery Delivery group SignerGroup"},
	// The group inside a signer is a Group whose members may be left out.
	"SignerGroup":   {"Entity", "emailMembers members", "members GroupMember"},
	"Auth":          {"", "challenges scheme", "challenges AuthChallenge"},
	"AuthChallenge": {"", "maskInput question", ""},
	"Delivery":      {"", "download email provider", ""},
	"Document": {"Entity", "approvals description extract extractionTypes fields index pages size tagged",
		"approvals Approval fields Field pages Page"},
	"Approval":        {"Entity", "fields role tooltip", "fields Field"},
	"Field":           {"Entity", "extract page subtype type", "validation FieldValidation extractAnchor ExtractAnchor"},
	"FieldValidation": {"", "required disabled", ""},
	"ExtractAnchor":   {"", "anchorPoint characterIndex height index leftOffset text topOffset width", ""},
	"Page":            {"", "id index version", ""},
	"PackageSettings": {"", "ceremony integrationFrameworkWorkflows", "ceremony CeremonySettings"},
	"CeremonySettings": {"", "leftMenuExpand declineButton declineReasons disableDeclineOther disableDownloadForUncompletedPackage " +
		"disableFirstInPersonAffidavit disableInPersonAffidavit disableOptOutOther disableSecondInPersonAffidavit hideCaptureText " +
		"hideLanguageDropdown hidePackageOwnerInPerson hideWatermark inPerson optOutButton optOutReasons enforceCaptureSignature ada", "layout LayoutOptions"},
	"LayoutOptions":                   {"", "iframe navigator", ""},
	"Sender":                          {"User", "memberships status type", "account Account"},
	"Callback":                        {"", "events key url", ""},
	"SigningUrl":                      {"", "packageId roleId", ""},
	"PackageReminderSchedule":         {"", "intervalInDays packageId reminders repetitionsCount startInDaysDelay", "reminders PackageReminder"},
	"PackageReminder":                 {"", "date", ""},
	"BaseMessage":                     {"", "content", ""},
	"Message":                         {"BaseMessage", "created documents from status to", "from User to User"},
	"AttachmentRequirement":           {"Entity", "required status files", "files AttachmentFile"},
	"AttachmentFile":                  {"", "id name", ""},
	"DocumentVisibility":              {"", "", "configurations DocumentVisibilityConfiguration"},
	"DocumentVisibilityConfiguration": {"Entity", "", ""},
	"CompletionReport":                {"", "senders from to", "senders SenderCompletionReport"},
	"SenderCompletionReport":          {"", "packages sender", "packages PackageCompletionReport sender Sender"},
	"PackageCompletionReport":         {"", "created documents id name signers status trashed updated", ""},
	"AuthenticationToken":             {"", "", ""},
	"SignerAuthenticationToken":       {"", "packageId signerId", ""},
	"SenderAuthenticationToken":       {"", "packageId", ""},
	"Error":                           {"", "message messageKey name code", "entity Entity"},
	"AuditEvent":                      {"", "type date-time target user user-email user-ip data", ""},
	"Audit":                           {"", "package-id audit-events", "audit-events AuditEvent"},
	"FieldSummary":                    {"", "documentId fieldId fieldName signerId", ""},
}

// present are members that must be there, beside never being null, where no default of the library helps.
var present = map[string]string{
	"AuditEvent": "type date-time target user user-email user-ip data",
	"Error":      "code message messageKey name",
	"Result":     "count results",
}

// answers is the model of what an operation answers; "[]" is a bare array, "Result" a list.
var answers = []struct{ operation, model string }{
	{`(GET|PUT) /groups/[^/]+`, "Group"}, {`POST /groups`, "Group"}, {`GET /groups`, "Result Group"},
	{`GET /groups/summary`, "Result GroupSummary"}, {`POST /groups/[^/]+/invite`, "Group"}, {`POST /groups/[^/]+/members`, "GroupMember"},
	{`(GET|POST) /account/senders/[^/]+`, "Sender"}, {`POST /account/senders`, "Sender"}, {`GET /account/senders`, "Result Sender"},
	{`GET /users`, "[] User"},
	{`(GET|PUT|POST) /packages/[^/]+`, "Package"}, {`GET /packages`, "Result Package"},
	{`GET /packages/[^/]+/roles`, "Result Role"}, {`POST /packages/[^/]+/roles`, "Role"}, {`(GET|PUT) /packages/[^/]+/roles/[^/]+`, "Role"},
	{`GET /packages/[^/]+/roles/[^/]+/signingUrl`, "SigningUrl"},
	{`(GET|PUT|POST) /packages/[^/]+/documents/[^/]+`, "Document"}, {`POST /packages/[^/]+/documents`, "Documents"},
	{`(POST|PUT|GET) /packages/[^/]+/documents/[^/]+/approvals/[^/]+`, "Approval"},
	{`PUT /packages/[^/]+/documents/[^/]+/approvals`, "[] Approval"}, {`POST /packages/[^/]+/documents/[^/]+/approvals`, "Approval"},
	{`GET /packages/[^/]+/documents/[^/]+/signers/[^/]+/approvals`, "[] Approval"},
	{`(GET|PUT|POST) /packages/[^/]+/documents/[^/]+/approvals/[^/]+/fields/[^/]+`, "Field"},
	{`POST /packages/[^/]+/documents/[^/]+/approvals/[^/]+/fields`, "Field"},
	{`GET /packages/[^/]+/documents/visibility`, "DocumentVisibility"},
	{`GET /packages/[^/]+/audit`, "Audit"}, {`GET /packages/[^/]+/fieldSummary`, "[] FieldSummary"},
	{`(GET|POST|PUT) /packages/[^/]+/reminders`, "PackageReminderSchedule"},
	{`(GET|POST) /callback`, "Callback"}, {`(GET|POST) /callback/connectors/[^/]+`, "Callback"},
	{`GET /reports/completion`, "CompletionReport"},
	{`POST /authenticationTokens/signer/(multiUse|singleUse)`, "SignerAuthenticationToken"},
	{`POST /authenticationTokens/sender`, "SenderAuthenticationToken"},
}

var answered = func() (out []struct {
	operation *regexp.Regexp
	model     string
}) {
	for _, a := range answers {
		out = append(out, struct {
			operation *regexp.Regexp
			model     string
		}{regexp.MustCompile("^" + a.operation + "$"), a.model})
	}
	return out
}()

// modelOf is the model of an answer, "" where none is known.
func modelOf(call apitest.Call, a apitest.Answer) string {
	path, _, _ := strings.Cut(call.Path, "?")
	path, ok := claim(strings.TrimSuffix(path, "/"))
	switch {
	case !ok:
		return ""
	case a.Status >= 400:
		return "Error"
	case a.Status != 200 && a.Status != 201:
		return ""
	}
	for _, known := range answered {
		if known.operation.MatchString(call.Method + " " + path) {
			if known.operation.String() == `^(GET|PUT|POST) /packages/[^/]+/documents/[^/]+$` && slices.Contains([]string{"zip", "visibility", "signed_documents", "signConfirm", "localize-consent"}, path[strings.LastIndex(path, "/")+1:]) {
				continue
			}
			return known.model
		}
	}
	return ""
}

// neverNull fails the test when an answer has a null, or no member, where client libraries fail.
func neverNull(t testing.TB, call apitest.Call, a apitest.Answer) {
	t.Helper()
	checkDocument(t, call, a)
	name := modelOf(call, a)
	media := a.Header.Get("Content-Type")
	if a.Status >= 400 && name != "" && media != "application/json" && call.Method != "HEAD" {
		t.Errorf("%s %s: status %d has the media type %q", call.Method, call.Path, a.Status, media)
	}
	if name == "" || media != "application/json" || call.Method == "HEAD" || strings.Contains(call.Path, "fields=id") {
		return
	}
	if a.Header.Get("Content-Disposition") != "" {
		t.Errorf("%s %s: JSON with a Content-Disposition", call.Method, call.Path)
	}
	var v any
	if err := json.Unmarshal(a.Body, &v); err != nil {
		t.Errorf("%s %s: %v: %.300s", call.Method, call.Path, err, a.Body)
		return
	}
	var faults []string
	list, one := strings.CutPrefix(name, "Result ")
	switch elements, isArray := v.([]any); {
	case one:
		object, _ := v.(map[string]any)
		faults = missing("Result", object, "answer")
		faults = append(faults, nulls(list, object["results"], "results")...)
	case strings.HasPrefix(name, "[] ") && !isArray:
		faults = append(faults, "the answer is no bare array")
	case strings.HasPrefix(name, "[] "):
		faults = nulls(strings.TrimPrefix(name, "[] "), elements, "answer")
	case name == "Documents":
		faults = nulls("Document", v, "answer")
	case name == "Approval" && isArray:
		faults = nulls("Approval", v, "answer")
	default:
		faults = append(missing(name, v, "answer"), nulls(name, v, "answer")...)
	}
	for _, fault := range faults {
		t.Errorf("%s %s: %s\n%.600s", call.Method, call.Path, fault, a.Body)
	}
}

func missing(name string, v any, path string) (faults []string) {
	object, ok := v.(map[string]any)
	if !ok {
		return []string{path + " is no object"}
	}
	for _, member := range strings.Fields(present[name]) {
		if value, there := object[member]; !there || value == nil {
			faults = append(faults, fmt.Sprintf("%s has no %s", path, member))
		}
	}
	return faults
}

// date is how the libraries read times.
var wireDate = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$`)

// dated are the members that are times wherever they stand.
var dated = []string{"created", "updated", "signed", "accepted", "due", "completed", "activated", "date", "sentDate", "date-time", "from", "to"}

// nulls finds what must not be null in a model, or in each of an array of them.
func nulls(name string, v any, path string) (faults []string) {
	if elements, ok := v.([]any); ok {
		for i, e := range elements {
			faults = append(faults, nulls(name, e, fmt.Sprintf("%s[%d]", path, i))...)
		}
		return faults
	}
	object, ok := v.(map[string]any)
	if !ok {
		if v == nil {
			return nil // whoever holds it says whether it may be
		}
		return []string{path + " is no object"}
	}
	m, known := models[name]
	if !known {
		return []string{"no model " + name}
	}
	for _, member := range strings.Fields(m.never) {
		if value, there := object[member]; there && value == nil {
			faults = append(faults, path+"."+member+" is null")
		}
	}
	holds := strings.Fields(m.holds)
	for i := 0; i < len(holds); i += 2 {
		if value := object[holds[i]]; value != nil {
			faults = append(faults, nulls(holds[i+1], value, path+"."+holds[i])...)
		}
	}
	if m.parent != "" {
		return append(faults, nulls(m.parent, v, path)...)
	}
	return append(faults, badDates(object, path)...)
}

func badDates(object map[string]any, path string) (faults []string) {
	for _, member := range dated {
		if text, ok := object[member].(string); ok && text != "" && !wireDate.MatchString(text) {
			faults = append(faults, path+"."+member+" is "+text)
		}
	}
	return faults
}

// TestNeverNullFinds: the check itself can fail.
func TestNeverNullFinds(t *testing.T) {
	for _, body := range []string{
		`{"count":1,"results":[{"id":"a","name":"n","members":null,"emailMembers":false}]}`,
		`{"count":1,"results":[{"id":"a","name":"n","members":[{"email":null}],"emailMembers":false}]}`,
		`{"count":1,"results":[{"id":null}]}`,
		`{"results":[]}`,
	} {
		var v any
		if err := json.Unmarshal([]byte(body), &v); err != nil {
			t.Fatal(err)
		}
		object := v.(map[string]any)
		if len(missing("Result", object, ""))+len(nulls("Group", object["results"], "")) == 0 {
			t.Error("nothing found in", body)
		}
	}
	if faults := nulls("Package", map[string]any{"created": "2026-11-22T10:00:00.123Z"}, ""); len(faults) != 1 {
		t.Error("a date with a fraction:", faults)
	}
}
