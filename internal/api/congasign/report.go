package congasign

import (
	"encoding/csv"
	"io"
	"iter"
	"mime"
	"strconv"
	"strings"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"countersign.dev/internal/api"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/signing"
)

// reportRoutes are the operations on reports.
func (s *surface) reportRoutes() []api.Route {
	return []api.Route{
		{Method: "GET", Path: "/reports/completion", Right: authz.Sign, Handle: s.completionReport},
		{Method: "GET", Path: "/reports/usage", Right: authz.Sign, Handle: s.usageReport},
		{Method: "GET", Path: "/reports/delegation", Right: authz.Sign, Handle: s.delegationReport},
	}
}

// period is what a report is about; it is answered as from and to.
type period struct {
	from, to time.Time
	account  directory.Account
	signing.ReportQuery
}

// reportQuery reads from and to, which are inclusive, and what else a report is asked for. Without from it begins with
// the year 2000, without to it ends now.
func (s *surface) reportQuery(r *api.Request) (p period, err error) {
	if p.account, err = s.dir.Account(r.Context(), r.Principal); err != nil {
		return p, err
	}
	if p.From, err = moment(r, "from", false); err != nil {
		return p, err
	}
	if p.Before, err = moment(r, "to", true); err != nil {
		return p, err
	}
	p.from, p.to = p.From, p.Before
	if p.from.IsZero() {
		p.from = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	if p.to.IsZero() {
		p.to = time.Now()
	} else {
		p.to = p.to.Add(-time.Second)
	}
	if p.to.Before(p.from) {
		return p, badQuery("to")
	}
	status, err := oneOf(r, "status", "DRAFT", "SENT", "COMPLETED", "ARCHIVED", "DECLINED", "OPTED_OUT", "EXPIRED")
	if err != nil {
		return p, err
	}
	summary, err := oneOf(r, "summary", "true", "false")
	p.Status, p.Summary, p.Sender = signing.Status(status), summary == "true", r.Query("senderId")
	return p, err
}

// wantsMedia reports whether the caller asks for a media type by name.
func wantsMedia(r *api.Request, media string) bool {
	for accepted := range strings.SplitSeq(r.HTTP.Header.Get("Accept"), ",") {
		if name, _, err := mime.ParseMediaType(accepted); err == nil && name == media {
			return true
		}
	}
	return false
}

// completionReport streams: it holds neither the packages nor a transaction while the client reads.
func (s *surface) completionReport(r *api.Request) (api.Answer, error) {
	q, err := s.reportQuery(r)
	if err != nil {
		return api.Answer{}, err
	}
	next, stop := iter.Pull2(s.signing.CompletionReport(r.Context(), r.Principal, q.ReportQuery))
	line, err, more := next() // what is refused is refused before the first byte
	if err != nil {
		stop()
		return api.Answer{}, err
	}
	lines := func(yield func(signing.ReportLine, error) bool) {
		defer stop()
		for more {
			if !yield(line, err) || err != nil {
				return
			}
			line, err, more = next()
		}
	}
	if wantsMedia(r, "text/csv") {
		return streamed("text/csv; charset=utf-8", func(w io.Writer) error { return completionCSV(w, lines) }), nil
	}
	return streamed("application/json", func(w io.Writer) error { return completionJSON(w, q, lines) }), nil
}

func streamed(media string, write func(io.Writer) error) api.Answer {
	return api.Answer{File: &api.File{Media: media, Write: write}}
}

type partOut struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Completed   bool   `json:"completed"`
	FirstSigned *date  `json:"firstSigned"`
	LastSigned  *date  `json:"lastSigned"`
}

type signerPartOut struct {
	partOut
	Email     string `json:"email"`
	FirstName string `json:"firstName"`
	LastName  string `json:"lastName"`
}

// completionOut is one package of a completion report.
type completionOut struct {
	ID        string          `json:"id"`
	Name      string          `json:"name"`
	Status    signing.Status  `json:"status"`
	Created   date            `json:"created"`
	Updated   date            `json:"updated"`
	Trashed   bool            `json:"trashed"`
	Documents []partOut       `json:"documents"`
	Signers   []signerPartOut `json:"signers"`
	Data      jsontext.Value  `json:"data"`
}

func wordLine(l signing.ReportLine) completionOut {
	p := l.Package
	out := completionOut{ID: p.OuterID, Name: p.Name, Status: p.Status, Created: date(p.Created), Updated: date(p.Updated),
		Trashed: p.Trashed, Data: jsontext.Value(p.Data)}
	for _, d := range l.Documents {
		out.Documents = append(out.Documents, wordPart(d))
	}
	for _, s := range l.Signers {
		out.Signers = append(out.Signers, signerPartOut{wordPart(s.ReportPart), s.Email, s.FirstName, s.LastName})
	}
	return out
}

func wordPart(p signing.ReportPart) partOut {
	return partOut{p.ID, p.Name, p.Completed, when(p.First), when(p.Last)}
}

// completionJSON writes {"from","to","senders":[{"sender":{…},"packages":[…]}]}, one package after the other.
func completionJSON(w io.Writer, q period, lines iter.Seq2[signing.ReportLine, error]) error {
	enc := jsontext.NewEncoder(w)
	out := reportWriter{enc: enc}
	out.tokens(jsontext.BeginObject, jsontext.String("from"))
	out.value(date(q.from))
	out.tokens(jsontext.String("to"))
	out.value(date(q.to))
	out.tokens(jsontext.String("senders"), jsontext.BeginArray)
	of, first := "", true
	for line, err := range lines {
		if err != nil {
			return err
		}
		if line.Sender.ID != of || first {
			if !first {
				out.tokens(jsontext.EndArray, jsontext.EndObject)
			}
			of, first = line.Sender.ID, false
			out.tokens(jsontext.BeginObject, jsontext.String("sender"))
			out.value(wordSender(line.Sender, q.account))
			out.tokens(jsontext.String("packages"), jsontext.BeginArray)
		}
		out.value(wordLine(line))
		if out.err != nil {
			return out.err
		}
	}
	if !first {
		out.tokens(jsontext.EndArray, jsontext.EndObject)
	}
	out.tokens(jsontext.EndArray, jsontext.EndObject)
	return out.err
}

// reportWriter writes JSON piece by piece and remembers what failed first.
type reportWriter struct {
	enc *jsontext.Encoder
	err error
}

func (w *reportWriter) tokens(tokens ...jsontext.Token) {
	for _, t := range tokens {
		if w.err == nil {
			w.err = w.enc.WriteToken(t)
		}
	}
}

func (w *reportWriter) value(v any) {
	if w.err == nil {
		w.err = jsonv2.MarshalEncode(w.enc, v, jsonv2.Deterministic(true))
	}
}

// inertCell is a text as a cell of a CSV file: programs that open such files would take some first characters for the
// beginning of a formula.
func inertCell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r\n|%＝＋－＠", []rune(s)[0]) {
		return "'" + s
	}
	return s
}

func csvTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}

func completionCSV(w io.Writer, lines iter.Seq2[signing.ReportLine, error]) error {
	out := csv.NewWriter(w)
	row := []string{"Sender", "Sender email", "Package id", "Package name", "Status", "Trashed", "Created", "Updated",
		"Documents", "Documents completed", "Signers", "Signers completed", "First signed", "Last signed"}
	if err := out.Write(row); err != nil {
		return err
	}
	for line, err := range lines {
		if err != nil {
			return err
		}
		p := line.Package
		docs, signers, whole := 0, 0, signing.ReportPart{}
		for _, d := range line.Documents {
			if d.Completed {
				docs++
			}
			if !d.First.IsZero() && (whole.First.IsZero() || d.First.Before(whole.First)) {
				whole.First = d.First
			}
			if d.Last.After(whole.Last) {
				whole.Last = d.Last
			}
		}
		for _, s := range line.Signers {
			if s.Completed {
				signers++
			}
		}
		row := []string{inertCell(line.Sender.Name()), inertCell(line.Sender.Email), inertCell(p.OuterID), inertCell(p.Name), string(p.Status),
			strconv.FormatBool(p.Trashed), csvTime(p.Created), csvTime(p.Updated), strconv.Itoa(len(line.Documents)), strconv.Itoa(docs),
			strconv.Itoa(len(line.Signers)), strconv.Itoa(signers), csvTime(whole.First), csvTime(whole.Last)}
		if err := out.Write(row); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// usageStatuses are the columns of a usage report, as client libraries name them.
var usageStatuses = []signing.Status{signing.Draft, signing.Sent, signing.Completed, signing.Archived, signing.Declined, signing.OptedOut, signing.Expired}

func (s *surface) usageReport(r *api.Request) (api.Answer, error) {
	q, err := s.reportQuery(r)
	if err != nil {
		return api.Answer{}, err
	}
	lines, err := s.signing.UsageReport(r.Context(), r.Principal, q.ReportQuery)
	if err != nil {
		return api.Answer{}, err
	}
	if wantsMedia(r, "text/csv") {
		return streamed("text/csv; charset=utf-8", func(w io.Writer) error { return usageCSV(w, lines) }), nil
	}
	type usageOut struct {
		Sender   any            `json:"sender"`
		Packages map[string]int `json:"packages"`
	}
	out := struct {
		From    date       `json:"from"`
		To      date       `json:"to"`
		Senders []usageOut `json:"senders"`
	}{From: date(q.from), To: date(q.to)}
	for _, line := range lines {
		counts := map[string]int{"trashed": line.Trashed}
		for _, status := range usageStatuses {
			counts[strings.ToLower(string(status))] = line.Packages[status]
		}
		out.Senders = append(out.Senders, usageOut{wordSender(line.Sender, q.account), counts})
	}
	return api.Answer{JSON: out}, nil
}

func usageCSV(w io.Writer, lines []signing.UsageLine) error {
	out := csv.NewWriter(w)
	head := []string{"Sender", "Sender email"}
	for _, status := range usageStatuses {
		head = append(head, string(status))
	}
	if err := out.Write(append(head, "TRASHED")); err != nil {
		return err
	}
	for _, line := range lines {
		row := []string{inertCell(line.Sender.Name()), inertCell(line.Sender.Email)}
		for _, status := range usageStatuses {
			row = append(row, strconv.Itoa(line.Packages[status]))
		}
		if err := out.Write(append(row, strconv.Itoa(line.Trashed))); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// delegationReport is empty: nobody signs or sends for another here but members of groups.
func (s *surface) delegationReport(r *api.Request) (api.Answer, error) {
	q, err := s.reportQuery(r)
	if err != nil {
		return api.Answer{}, err
	}
	if wantsMedia(r, "text/csv") {
		return streamed("text/csv; charset=utf-8", func(w io.Writer) error {
			_, err := io.WriteString(w, "Delegator,Delegator email,Delegate,Delegate email,Date,Event\n")
			return err
		}), nil
	}
	return api.Answer{JSON: struct {
		From    date            `json:"from"`
		To      date            `json:"to"`
		Account string          `json:"accountId"`
		Events  map[string]none `json:"delegationEvents"`
	}{date(q.from), date(q.to), q.account.OuterID, map[string]none{}}}, nil
}
