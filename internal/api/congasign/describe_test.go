package congasign

import "github.com/go-json-experiment/json/jsontext"

// Shapes of answers and bodies that no wire type has a name for.
type (
	statusOut struct {
		Status string `json:"status"`
	}
	signingURLOut struct {
		PackageID string `json:"packageId"`
		RoleID    string `json:"roleId"`
		URL       string `json:"url"`
	}
	existsOut struct {
		Exists bool `json:"exists"`
	}
	verificationOut struct {
		RoleID       string `json:"roleId"`
		AttachmentID string `json:"attachmentId"`
		Name         string `json:"name"`
		Required     bool   `json:"required"`
		Status       string `json:"status"`
		Files        int    `json:"files"`
	}
	readinessOut struct {
		Status    bool     `json:"status"`
		ErrorKeys []string `json:"errorKeys"`
	}
	referencesOut struct {
		PackageID string               `json:"packageId"`
		Documents []referencedDocument `json:"documents"`
	}
	signedOut struct {
		Documents []documentOut `json:"documents"`
	}
	signIn struct {
		Documents []signedDocument `json:"documents"`
		Handdrawn string           `json:"handdrawn"`
	}
	signOneIn struct {
		signedDocument
		Handdrawn string `json:"handdrawn"`
	}
	completionReportOut struct {
		From    date              `json:"from"`
		To      date              `json:"to"`
		Senders []senderReportOut `json:"senders"`
	}
	senderReportOut struct {
		Sender   senderOut       `json:"sender"`
		Packages []completionOut `json:"packages"`
	}
	delegationOut struct {
		From             date            `json:"from"`
		To               date            `json:"to"`
		AccountID        string          `json:"accountId"`
		DelegationEvents map[string]none `json:"delegationEvents"`
	}
	bulkIn struct {
		Signers  []signerIn  `json:"signers"`
		Packages []packageIn `json:"packages"`
	}
	notifyIn struct {
		Email   string `json:"email"`
		Message string `json:"message"`
	}
	orderIn struct {
		ID          string  `json:"id"`
		Index       *int    `json:"index"`
		Name        *string `json:"name"`
		Description *string `json:"description"`
	}
	oauthRefusalOut struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	languageIn struct {
		Language string `json:"language"`
	}
)

// free is JSON of any form.
type free = jsontext.Value

const (
	multipartForm = "multipart/form-data"
	page          = "from:integer to:integer dir"
)

// operations describe the routes for the document, by pattern.
var operations = describe(
	groupOperations, senderOperations, packageOperations, roleOperations, documentOperations, approvalOperations,
	attachmentOperations, accessOperations, reportOperations, settingOperations)

func describe(parts ...map[string]operation) map[string]operation {
	all := map[string]operation{}
	for _, part := range parts {
		for pattern, op := range part {
			all[pattern] = op
		}
	}
	return all
}

var groupOperations = map[string]operation{
	"POST /groups":                          {tag: "Groups", summary: "Make a group", text: "Members are senders of the account, given inline or added later. The id may be the client's.", in: groupIn{}, out: groupOut{}},
	"GET /groups":                           {tag: "Groups", summary: "List groups", text: "`name` finds what contains it; `requestType=manager` those that the caller manages.", query: "name requestType " + page, out: result[groupOut]{}},
	"GET /groups/summary":                   {tag: "Groups", summary: "List groups in short", text: "Without members.", query: "name requestType " + page, out: result[summaryOut]{}},
	"GET /groups/{group}":                   {tag: "Groups", summary: "Get a group", text: "With its members as the directory knows them.", out: groupOut{}},
	"PUT /groups/{group}":                   {tag: "Groups", summary: "Change a group", text: "`members`, when it is there, replaces them all.", in: groupIn{}, out: groupOut{}},
	"DELETE /groups/{group}":                {tag: "Groups", summary: "Delete a group", text: "What it has signed keeps its name.", status: 204},
	"POST /groups/{group}/members":          {tag: "Groups", summary: "Add a member", text: "Named by sender id or e-mail. Answers the member.", in: memberIn{}, out: memberOut{}},
	"POST /groups/{group}/invite":           {tag: "Groups", summary: "Invite a member", text: "Adds him and mails him. Answers the group.", in: memberIn{}, out: groupOut{}},
	"PUT /groups/{group}/members/{user}":    {tag: "Groups", summary: "Change a member's type", text: "Our own addition.", in: memberIn{}, out: memberOut{}},
	"DELETE /groups/{group}/members/{user}": {tag: "Groups", summary: "Remove a member", text: "Our own addition. A lease of his is void at once.", status: 204},
}

var senderOperations = map[string]operation{
	"POST /account/senders":                                 {tag: "Senders", summary: "Invite a sender", text: "Inviting again changes nothing and answers the same sender.", in: senderIn{}, out: senderOut{}},
	"GET /account/senders":                                  {tag: "Senders", summary: "List senders", text: "Without a range: one.", query: page + " search", out: result[senderOut]{}},
	"GET /account/senders/{sender}":                         {tag: "Senders", summary: "Get a sender", text: "By the sender's id.", out: senderOut{}},
	"POST /account/senders/{sender}":                        {tag: "Senders", summary: "Change a sender", text: "What is not sent stays.", in: senderIn{}, out: senderOut{}},
	"DELETE /account/senders/{sender}":                      {tag: "Senders", summary: "Delete a sender", text: "Deactivates: tokens, sessions and leases end.", status: 204},
	"POST /account/senders/{sender}/invite":                 {tag: "Senders", summary: "Invite a sender again", text: "Mails the invitation once more.", in: free{}, optional: true, out: senderOut{}},
	"GET /account/senders/{sender}/delegates":               {tag: "Senders", summary: "List delegates", text: "Kept for clients; a delegate has no more rights.", out: []delegateOut{}},
	"PUT /account/senders/{sender}/delegates":               {tag: "Senders", summary: "Replace the delegates", text: "An array of sender ids, or of objects with one.", in: []free{}, out: []delegateOut{}},
	"DELETE /account/senders/{sender}/delegates":            {tag: "Senders", summary: "Remove all delegates", text: "Nothing else changes.", status: 204},
	"POST /account/senders/{sender}/delegates/{delegate}":   {tag: "Senders", summary: "Add a delegate", text: "Answers all of them.", in: free{}, optional: true, out: []delegateOut{}},
	"DELETE /account/senders/{sender}/delegates/{delegate}": {tag: "Senders", summary: "Remove a delegate", text: "Nothing else changes.", status: 204},
	"GET /account/senders/{sender}/roles":                   {tag: "Senders", summary: "Roles of a sender", text: "One of the two built-in roles.", out: result[accountRoleOut]{}},
	"PUT /account/senders/{sender}/roles":                   {tag: "Senders", summary: "Change a sender's roles", text: "Change `type` instead.", status: 501},
	"GET /users":                                            {tag: "Senders", summary: "Contacts", text: "A bare array; only below `cs-`, for `/api/users` is another surface's.", out: []senderOut{}},
}

func init() {
	for _, path := range []string{"/account/senders/{sender}/signature/image", "/account/senders/{sender}/signatureImage"} {
		operations["GET "+path] = operation{tag: "Senders", summary: "Picture of a signature", text: "In base64.", out: signatureOut{}}
		operations["POST "+path] = operation{tag: "Senders", summary: "Keep a picture of a signature", text: "One part `file`, PNG or JPEG.", media: []string{multipartForm}, out: signatureOut{}}
		operations["DELETE "+path] = operation{tag: "Senders", summary: "Delete the picture", text: "Nothing else changes.", status: 204}
	}
}

var packageOperations = map[string]operation{
	"POST /packages": {tag: "Packages", summary: "Make a package", text: "As multipart: one part `payload` and parts `file` in any order; or as JSON, with documents in base64. `status` SENT sends at once. With `Idempotency-Key` it happens once. Answers exactly `id`.",
		in: packageIn{}, media: []string{multipartForm}, out: idOut{}},
	"GET /packages": {tag: "Packages", summary: "List packages", text: "Newest first, 10 without a range, at most 100. Values that are not known are refused. `fields=id` answers ids only.",
		query: "query predefined search searchtype type visibility sort dir fields from:integer to:integer lastUpdatedStartDate lastUpdatedEndDate startDate endDate ownerUserId ownerEmail", out: result[packageOut]{}, or: result[idOut]{}},
	"GET /packages/{package}":                                                 {tag: "Packages", summary: "Get a package", text: "The whole tree; the owner's role and the consent are always part of it.", query: "extensions rawSignatureCapture", out: packageOut{}},
	"PUT /packages/{package}":                                                 {tag: "Packages", summary: "Change a package", text: "Members of the first level; roles and documents in the body are passed over. `status` moves it, `trashed` throws it away or takes it back.", in: packageIn{}, out: packageOut{}},
	"POST /packages/{package}":                                                {tag: "Packages", summary: "Change a package", text: "The same as PUT. A signer's session may decline.", in: packageIn{}, out: packageOut{}},
	"DELETE /packages/{package}":                                              {tag: "Packages", summary: "Delete a package", text: "For good; its audit events stay.", status: 204},
	"GET /packages/{package}/signingStatus":                                   {tag: "Packages", summary: "How far the signing is", text: "Of all, of one signer, of one document. In the trash: DELETED.", query: "signer document", out: statusOut{}},
	"GET /packages/{package}/audit":                                           {tag: "Packages", summary: "Audit events", text: "JSON, or XML when `Accept` asks for it.", out: auditOut{}, file: []string{"application/xml"}},
	"GET /packages/{package}/evidence/summary":                                {tag: "Packages", summary: "Evidence summary", text: "A sealed PDF, once the package is completed.", file: []string{"application/pdf"}},
	"POST /packages/{package}/notifications":                                  {tag: "Packages", summary: "Send an invitation again", text: "To the signer with an e-mail address.", in: notifyIn{}, status: 204},
	"GET /packages/{package}/reminders":                                       {tag: "Packages", summary: "Reminders", text: "204 when there are none.", out: remindersOut{}, also: 204},
	"POST /packages/{package}/reminders":                                      {tag: "Packages", summary: "Set reminders", text: "In the place of the account's. The dates follow from the invitation.", in: remindersIn{}, out: remindersOut{}},
	"PUT /packages/{package}/reminders":                                       {tag: "Packages", summary: "Change reminders", text: "The same as POST.", in: remindersIn{}, out: remindersOut{}},
	"DELETE /packages/{package}/reminders":                                    {tag: "Packages", summary: "No reminders", text: "The account's count again.", status: 204},
	"POST /packages/{package}/clone":                                          {tag: "Packages", summary: "Copy a package or template", text: "Roles of the template and of the body are merged by name. Answers exactly `id`.", in: packageIn{}, out: idOut{}},
	"POST /packages/{package}/bulk_send":                                      {tag: "Packages", summary: "Send many packages from a template", text: "One for each signer, for each payload, or for each line of a CSV file. What does not fit refuses the whole.", in: bulkIn{}, media: []string{"text/csv", multipartForm}, out: result[bulkOut]{}},
	"GET /packages/{package}/readiness":                                       {tag: "Packages", summary: "Could it be sent?", text: "The keys of what would refuse it.", out: readinessOut{}},
	"GET /packages/{package}/fieldSummary":                                    {tag: "Packages", summary: "All fields and their values", text: "A bare array.", out: []fieldLineOut{}},
	"GET /packages/{package}/referencedConditions":                            {tag: "Packages", summary: "Where conditions name fields", text: "Of all fields, or of one document's or one.", query: "documentId fieldId", out: referencesOut{}},
	"GET /packages/{package}/thank_you_dialog":                                {tag: "Packages", summary: "Words for who has signed", text: "To show in an application.", out: free{}},
	"GET /package_information/{package}/support_information":                  {tag: "Packages", summary: "Whom signers may ask", text: "The sender's address and telephone number.", out: free{}},
	"POST /packages/{package}/documents/signed_documents":                     {tag: "Signing", summary: "Sign documents", text: "Everything the caller may sign, or the documents named; values of fields may be sent along. Taking, signing and releasing is one act.", in: signIn{}, out: signedOut{}},
	"POST /packages/{package}/documents/signConfirm":                          {tag: "Signing", summary: "Sign one document", text: "As above.", in: signOneIn{}, out: documentOut{}},
	"GET /packages/{package}/documents/{document}/signers/{signer}/approvals": {tag: "Signing", summary: "What a signer may sign now", text: "A bare array; empty while others sign first.", out: []approvalOut{}},
}

var roleOperations = map[string]operation{
	"GET /packages/{package}/roles":                       {tag: "Roles", summary: "List roles", text: "The owner's first.", out: result[roleOut]{}},
	"POST /packages/{package}/roles":                      {tag: "Roles", summary: "Add a role", text: "To a draft.", in: roleIn{}, out: roleOut{}},
	"PUT /packages/{package}/roles":                       {tag: "Roles", summary: "Change or reorder roles", text: "Whole roles, or their ids with a new `index`.", in: []roleIn{}, out: result[roleOut]{}},
	"GET /packages/{package}/roles/{role}":                {tag: "Roles", summary: "Get a role", text: "By its id or its signer's.", out: roleOut{}},
	"PUT /packages/{package}/roles/{role}":                {tag: "Roles", summary: "Change a role", text: "In a draft everything; while it is signed, who signs (reassign).", in: roleIn{}, out: roleOut{}},
	"DELETE /packages/{package}/roles/{role}":             {tag: "Roles", summary: "Remove a role", text: "From a draft, with what it was to sign.", status: 204},
	"POST /packages/{package}/roles/{role}/unlock":        {tag: "Roles", summary: "Unlock a signer", text: "Who entered too many wrong codes.", in: free{}, optional: true, status: 204},
	"GET /packages/{package}/roles/{role}/signingUrl":     {tag: "Roles", summary: "Address to sign at", text: "Does not expire. A group has one for all: whoever opens it says who he is and proves his mailbox.", out: signingURLOut{}},
	"POST /packages/{package}/roles/{role}/notifications": {tag: "Roles", summary: "Send the role's invitation again", text: "Without a body.", in: free{}, optional: true, status: 204},
	"PUT /packages/{package}/groups":                      {tag: "Roles", summary: "Change an ad-hoc group", text: "Of the role's id; one that there is not is added.", in: free{}, out: roleOut{}},
	"POST /packages/{package}/groups":                     {tag: "Roles", summary: "Add an ad-hoc group", text: "Its members are signers of other roles of the package. A role, or the group alone.", in: free{}, out: roleOut{}},
}

var documentOperations = map[string]operation{
	"POST /packages/{package}/documents":                        {tag: "Documents", summary: "Add documents", text: "One object, or an array, which is answered by an array.", in: free{}, media: []string{multipartForm}, out: documentOut{}, or: []documentOut{}},
	"PUT /packages/{package}/documents":                         {tag: "Documents", summary: "Reorder documents", text: "The consent may be among them.", in: []orderIn{}, out: []documentOut{}},
	"DELETE /packages/{package}/documents":                      {tag: "Documents", summary: "Remove documents", text: "The body is an array of ids.", in: []string{}, status: 204},
	"GET /packages/{package}/documents/zip":                     {tag: "Documents", summary: "All documents", text: "Sealed, once the package is completed.", query: "flatten:boolean", file: []string{"application/zip"}},
	"GET /packages/{package}/documents/visibility":              {tag: "Documents", summary: "Who sees which document", text: "Documents that are not listed are everybody's.", out: visibilityOut{}},
	"POST /packages/{package}/documents/visibility":             {tag: "Documents", summary: "Say who sees which document", text: "Replaces what was said.", in: visibilityIn{}, out: visibilityOut{}},
	"POST /packages/{package}/documents/localize-consent":       {tag: "Documents", summary: "Language of the consent", text: "Checked; the consent is in English.", in: languageIn{}, out: documentOut{}},
	"GET /packages/{package}/documents/{document}":              {tag: "Documents", summary: "Get a document", text: "With its approvals and fields.", out: documentOut{}},
	"PUT /packages/{package}/documents/{document}":              {tag: "Documents", summary: "Change a document", text: "Name, description, place; its bytes, when there is a file.", in: documentChangeIn{}, media: []string{multipartForm}, out: documentOut{}},
	"POST /packages/{package}/documents/{document}":             {tag: "Documents", summary: "Change a document", text: "The same as PUT.", in: documentChangeIn{}, media: []string{multipartForm}, out: documentOut{}},
	"DELETE /packages/{package}/documents/{document}":           {tag: "Documents", summary: "Remove a document", text: "From a draft.", status: 204},
	"GET /packages/{package}/documents/{document}/pdf":          {tag: "Documents", summary: "The document", text: "Sealed, once the package is completed.", query: "flatten:boolean", file: []string{"application/octet-stream"}},
	"GET /packages/{package}/documents/{document}/original":     {tag: "Documents", summary: "The uploaded bytes", text: "Never repaired or cleaned ones.", file: []string{"application/octet-stream"}},
	"GET /packages/{package}/documents/{document}/pages/{page}": {tag: "Documents", summary: "Picture of a page", text: "PNG; the first page is 0.", file: []string{"image/png"}},
}

const (
	approvalsPath = "/packages/{package}/documents/{document}/approvals"
	approvalPath  = approvalsPath + "/{approval}"
	fieldsPath    = approvalPath + "/fields"
	fieldPath     = fieldsPath + "/{field}"
)

var approvalOperations = map[string]operation{
	"POST " + approvalsPath:                   {tag: "Approvals", summary: "Add an approval", text: "A role's signature block on a document of a draft.", in: approvalIn{}, out: approvalOut{}},
	"PUT " + approvalsPath:                    {tag: "Approvals", summary: "Replace all approvals", text: "Of the document.", in: []approvalIn{}, out: []approvalOut{}},
	"GET " + approvalPath:                     {tag: "Approvals", summary: "Get an approval", text: "Its signature first, then bound labels, then what the signer enters.", out: approvalOut{}},
	"PUT " + approvalPath:                     {tag: "Approvals", summary: "Change an approval", text: "What is not sent stays.", in: approvalIn{}, out: approvalOut{}},
	"DELETE " + approvalPath:                  {tag: "Approvals", summary: "Remove an approval", text: "With its fields.", status: 204},
	"POST " + fieldsPath:                      {tag: "Approvals", summary: "Add a field", text: "Lengths are 1/93.6 inch from the top left of the page.", in: fieldIn{}, out: fieldOut{}},
	"GET " + fieldPath:                        {tag: "Approvals", summary: "Get a field", text: "With its value.", out: fieldOut{}},
	"PUT " + fieldPath:                        {tag: "Approvals", summary: "Change or fill a field", text: "In a draft the field; while it is signed its value, by who signs.", in: fieldIn{}, out: fieldOut{}},
	"POST " + fieldPath:                       {tag: "Approvals", summary: "Change or fill a field", text: "The same as PUT.", in: fieldIn{}, out: fieldOut{}},
	"DELETE " + fieldPath:                     {tag: "Approvals", summary: "Remove a field", text: "From a draft.", status: 204},
	"PUT " + fieldPath + "/conditionalFields": {tag: "Approvals", summary: "Set a field's conditions", text: "A field with `conditions`, or the array alone.", in: free{}, out: fieldOut{}},
}

const attachmentPath = "/packages/{package}/attachment/{attachment}"

var attachmentOperations = map[string]operation{
	"GET " + attachmentPath:                            {tag: "Attachments", summary: "The newest file", text: "To be kept, never to be shown by a browser.", file: attachedMedia},
	"POST " + attachmentPath:                           {tag: "Attachments", summary: "Attach files", text: "Parts `payload`, `file` or `files`.", media: []string{multipartForm}, out: []attachedOut{}},
	"GET " + attachmentPath + "/exists":                {tag: "Attachments", summary: "Is there a file?", text: "Of the attachment.", out: existsOut{}},
	"GET " + attachmentPath + "/file/{file}":           {tag: "Attachments", summary: "One file", text: "By its number from 1.", file: attachedMedia},
	"DELETE " + attachmentPath + "/file/{file}":        {tag: "Attachments", summary: "Take a file back", text: "Until the role has signed.", status: 204},
	"GET " + attachmentPath + "/file/{file}/exists":    {tag: "Attachments", summary: "Is there this file?", text: "By its number from 1.", out: existsOut{}},
	"GET /packages/{package}/attachment/zip":           {tag: "Attachments", summary: "All files", text: "Of the package.", file: []string{"application/zip"}},
	"GET /packages/{package}/attachment/zip/{role}":    {tag: "Attachments", summary: "A role's files", text: "By the role's id or its signer's.", file: []string{"application/zip"}},
	"GET /packages/{package}/attachment/verifications": {tag: "Attachments", summary: "What is asked of whom", text: "And whether it is there.", out: result[verificationOut]{}},
}

// attachedMedia are the types of files that may be attached.
var attachedMedia = []string{"application/pdf", "image/png", "image/jpeg", "text/plain", "application/octet-stream",
	"application/vnd.openxmlformats-officedocument.wordprocessingml.document", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}

const form = "application/x-www-form-urlencoded"

var accessOperations = map[string]operation{
	"POST /oauth2/token":                          {tag: "Access", summary: "OAuth 2 token", text: "RFC 6749 §4.4, by HTTP Basic or in the form. Refusals are OAuth's own.", media: []string{form}, out: oauthOut{}, refusal: oauthRefusalOut{}},
	"POST /apitoken/clientApp/accessToken":        {tag: "Access", summary: "Token of a client app", text: "Good for 30 minutes. Exactly these two members.", in: appTokenIn{}, out: appTokenOut{}},
	"GET /auth":                                   {tag: "Access", summary: "Open a session", text: "Answers the session in JSON, or sends a browser on to `target` with a cookie.", query: "authenticationToken senderAuthenticationToken signerAuthenticationToken target", out: sessionTokenOut{}, also: 302},
	"POST /authenticationTokens/user":             {tag: "Access", summary: "Token for a session of the caller", text: "30 minutes, once.", in: free{}, optional: true, out: userTokenOut{}},
	"POST /authenticationTokens/sender":           {tag: "Access", summary: "Token for a session with one package", text: "30 minutes, once.", in: senderToken{}, out: senderToken{}},
	"POST /authenticationTokens/signer/multiUse":  {tag: "Access", summary: "Token for a signer's sessions", text: "30 minutes. Of a group: `delegateeId` names the member.", in: signerToken{}, out: signerToken{}},
	"POST /authenticationTokens/signer/singleUse": {tag: "Access", summary: "Token for one session of a signer", text: "30 minutes, once. Of a group: `delegateeId` names the member.", in: signerToken{}, out: signerToken{}},
	"POST /sessions":                              {tag: "Access", summary: "Open a signer's session", text: "The older way, without a token between.", query: "package signer delegatee", in: free{}, optional: true, out: sessionTokenOut{}},
	"GET /session":                                {tag: "Access", summary: "Who is calling", text: "And what may be reached.", out: sessionOut{}},
	"GET /sysinfo":                                {tag: "Access", summary: "Version of the server", text: "For support.", out: free{}},
	"GET /callback":                               {tag: "Callbacks", summary: "The registration", text: "Empty when there is none.", out: callbackOut{}},
	"POST /callback":                              {tag: "Callbacks", summary: "Register", text: "In the place of the former; an empty `url` ends it.", in: callbackIn{}, out: callbackOut{}},
	"GET /callback/connectors/{origin}":           {tag: "Callbacks", summary: "A connector's registration", text: "Beside the account's.", out: callbackOut{}},
	"POST /callback/connectors/{origin}":          {tag: "Callbacks", summary: "Register a connector", text: "Beside the account's.", in: callbackIn{}, out: callbackOut{}},
	"PUT /callback/register":                      {tag: "Callbacks", summary: "Register as Conga does", text: "Every event; an empty `callbackUrl` ends it.", in: registerIn{}, out: registerOut{}},
	"PUT /sign/callback/v1/register":              {tag: "Callbacks", summary: "Register as Conga's preview does", text: "The same.", in: registerIn{}, out: registerOut{}},
}

var reportOperations = map[string]operation{
	"GET /reports/completion": {tag: "Reports", summary: "Completion report", text: "JSON, or CSV when `Accept` asks for it. Streamed.", query: "from to status senderId summary", out: completionReportOut{}, file: []string{"text/csv"}},
	"GET /reports/usage":      {tag: "Reports", summary: "Usage report", text: "Packages of each sender by status.", query: "from to senderId", out: free{}, file: []string{"text/csv"}},
	"GET /reports/delegation": {tag: "Reports", summary: "Delegation report", text: "Empty: nobody acts for another here but members of groups. JSON, or CSV by Accept.", query: "from to", out: delegationOut{}, file: []string{"text/csv"}},
}

var settingOperations = shelves()

func shelves() map[string]operation {
	all := map[string]operation{
		"GET /account/roles":                       {tag: "Account", summary: "Roles of an account", text: "Two are built in.", query: page, out: result[accountRoleOut]{}},
		"GET /account/roles/{role}":                {tag: "Account", summary: "A role", text: "MANAGER or REGULAR.", out: accountRoleOut{}},
		"GET /account/roles/{role}/users":          {tag: "Account", summary: "Who has a role", text: "Sender ids.", query: page, out: result[string]{}},
		"POST /account/roles":                      {tag: "Account", summary: "Make a role", text: "Not offered.", status: 501},
		"PUT /account/roles/{role}":                {tag: "Account", summary: "Change a role", text: "Not offered.", status: 501},
		"DELETE /account/roles/{role}":             {tag: "Account", summary: "Delete a role", text: "Not offered.", status: 501},
		"GET /account/{account}/verificationTypes": {tag: "Account", summary: "Ways to verify signers", text: "None beside the mailbox.", out: result[accountRoleOut]{}},
	}
	for _, kind := range []struct{ path, methods, of, text string }{
		{"/accountConfig/declineReasons/{language}", "GET POST PUT DELETE", "Reasons to decline", "Offered on the signing page where the package has none."},
		{"/accountConfig/handoverUrl/{language}", "GET POST PUT DELETE", "Where signers go afterwards", "A link on the signing page, when it is https."},
		{"/account/signingThemes", "GET POST PUT DELETE", "Colours of the signing page", "Darkened or lightened where text would not be legible."},
		{"/account/admin/signingThemes", "GET POST PUT DELETE", "Colours of the signing page", "The same."},
		{"/account/admin/chooseSignature", "GET PATCH DELETE", "Kinds of signature", "Kept for clients."},
		{"/account/admin/{setting}", "GET POST PUT PATCH DELETE", "Settings of the account", "Kept for clients."},
		{"/account/admin/accountSettings/{setting}", "GET POST PUT PATCH DELETE", "Settings of the account", "Kept for clients."},
		{"/dataRetentionSettings/dataManagementPolicy", "GET PUT", "Retention", "Kept for clients; nothing is deleted by it."},
		{"/dataRetentionSettings/expiryTimeConfiguration", "GET PUT", "Days until packages expire", "Usual and greatest number."},
		{"/account/admin/signingLogos", "GET POST PUT DELETE", "Logos of the signing page", "PNG or JPEG in base64, one for each language."},
		{"/account/signingLogos", "GET POST PUT DELETE", "Logos of the signing page", "The same."},
	} {
		for verb, method := range map[string]string{"Get: ": "GET", "Set: ": "POST", "Replace: ": "PUT", "Change: ": "PATCH", "Remove: ": "DELETE"} {
			op := operation{tag: "Account", summary: verb + kind.of, text: kind.text, out: free{}}
			switch method {
			case "GET":
			case "DELETE":
				op.out, op.status = nil, 204
			default:
				op.in = free{}
			}
			if containsWord(kind.methods, method) {
				all[method+" "+kind.path] = op
			}
		}
	}
	for path, of := range map[string]string{"/account/customfields": "custom fields of the account", "/user/customfields": "the caller's values of custom fields"} {
		all["GET "+path] = operation{tag: "Account", summary: "List " + of, text: "Kept for clients.", query: page, out: []free{}}
		for _, method := range []string{"POST", "PUT"} {
			all[method+" "+path] = operation{tag: "Account", summary: "Set one of " + of, text: "By its id.", in: free{}, out: free{}}
		}
		all["GET "+path+"/{field}"] = operation{tag: "Account", summary: "One of " + of, text: "204 when there is none.", out: free{}, also: 204}
		all["DELETE "+path+"/{field}"] = operation{tag: "Account", summary: "Remove one of " + of, text: "Whether it is there or not.", status: 204}
	}
	return all
}

var documentInfo = map[string]any{"title": "Conga Sign", "version": "1.0", "license": map[string]any{"name": "Apache License 2.0", "identifier": "Apache-2.0"},
	"summary": "Signer groups, senders, packages and signing, as Conga Sign documents them and OneSpan Sign's client libraries call them.",
	"description": "Every path below `/api/` may also begin with `/api/cs-`, `/api/sign/v1/` or `/api/sign/v1/cs-`. A trailing slash is accepted; nothing redirects. " +
		"A member that is null is the same as none. Members that are not listed are ignored in requests and never sent in answers. Dates have whole seconds and a literal Z."}

var documentTags = []any{
	map[string]any{"name": "Access", "description": "Tokens and sessions."},
	map[string]any{"name": "Groups", "description": "Users who act as one signer."},
	map[string]any{"name": "Senders", "description": "Users of the account."},
	map[string]any{"name": "Packages", "description": "Documents on their way to signers."},
	map[string]any{"name": "Roles", "description": "Who signs."},
	map[string]any{"name": "Documents", "description": "What is signed."},
	map[string]any{"name": "Approvals", "description": "Where it is signed, and what is filled in."},
	map[string]any{"name": "Signing", "description": "Signing by API."},
	map[string]any{"name": "Attachments", "description": "Files that signers add."},
	map[string]any{"name": "Callbacks", "description": "What happens, told to another system."},
	map[string]any{"name": "Reports", "description": "What has happened."},
	map[string]any{"name": "Account", "description": "Settings."},
}

var documentSchemes = map[string]any{
	"bearer":        map[string]any{"type": "http", "scheme": "bearer", "description": "A token of any of the ways in."},
	"apiKey":        map[string]any{"type": "apiKey", "in": "header", "name": "Authorization", "description": "`Basic` and the key as it was given."},
	"signerSession": map[string]any{"type": "apiKey", "in": "cookie", "name": sessionCookie, "description": "A session from `/auth`."},
}
