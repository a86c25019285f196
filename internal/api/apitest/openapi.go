package apitest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
)

// Spec is an OpenAPI 3.1 document that calls and their answers are held against.
type Spec struct {
	// Doc is the document, loaded and found valid.
	Doc *openapi3.T
	mu  sync.Mutex
	// answers counts what Fault found in order, by operation and status: "GET /users/{userId} 200".
	answers map[string]int
	// fitting are bodies that were found in order: the library compiles a schema each time it is asked, and most refusals are alike.
	fitting sync.Map
}

// fitted is a JSON body and its schema.
type fitted struct {
	schema *openapi3.Schema
	body   string
}

// NewSpec loads a document. It returns an error when it is not valid OpenAPI 3.1.
func NewSpec(document []byte) (*Spec, error) {
	doc, err := openapi3.NewLoader().LoadFromData(document)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(doc.OpenAPI, "3.1.") {
		return nil, fmt.Errorf("the document is OpenAPI %s", doc.OpenAPI)
	}
	if err := doc.Validate(context.Background(), openapi3.EnableSchemaPatternValidation()); err != nil {
		return nil, err
	}
	return &Spec{Doc: doc, answers: map[string]int{}}, nil
}

// Operations are the document's operations, as "GET /users/{userId}".
func (s *Spec) Operations() map[string]*openapi3.Operation {
	all := map[string]*openapi3.Operation{}
	for path, item := range s.Doc.Paths.Map() {
		for method, op := range item.Operations() {
			all[method+" "+path] = op
		}
	}
	return all
}

// Unproven are the operations of which no call has succeeded and been in order, sorted.
func (s *Spec) Unproven() (missing []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name := range s.Operations() {
		proven := false
		for answer := range s.answers {
			proven = proven || strings.HasPrefix(answer, name+" 2")
		}
		if !proven {
			missing = append(missing, name)
		}
	}
	slices.Sort(missing)
	return missing
}

// Answers is how many answers were in order, by operation and status: "GET /users/{userId} 200".
func (s *Spec) Answers() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]int{}
	for name, n := range s.answers {
		out[name] = n
	}
	return out
}

// Fault says what in a call and its answer the document does not tell: a status,
// a header, a media type or a body, members that it does not name among them. A
// call that succeeded must itself be one that the document allows. A call of
// no operation must have been refused, that is answered 4xx, or 501. Nil: all is in order.
func (s *Spec) Fault(c Call, a Answer) error {
	name, op, values := s.find(c)
	if op == nil {
		if a.Status >= 400 && a.Status < 500 || a.Status == http.StatusNotImplemented {
			return nil
		}
		return fmt.Errorf("%s %s is no operation of the document and was answered %d", c.Method, c.Path, a.Status)
	}
	answer := op.Responses.Value(strconv.Itoa(a.Status))
	if answer == nil {
		return fmt.Errorf("%s has no status %d: %.500s", name, a.Status, a.Body)
	}
	err := s.answerFault(answer.Value, a, c.Method == http.MethodHead)
	if err == nil && a.Status < 300 {
		err = errors.Join(parameterFault(op, c, values), s.bodyFault(op, c))
	}
	if err != nil {
		return fmt.Errorf("%s, status %d: %w\nbody: %.500s\nanswer: %.500s", name, a.Status, err, c.Body, a.Body)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[name+" "+strconv.Itoa(a.Status)]++
	return nil
}

// find is the operation of a call and the values of its path's names. Literal segments go before names.
func (s *Spec) find(c Call) (name string, op *openapi3.Operation, values map[string]string) {
	path, _, _ := strings.Cut(c.Path, "?")
	path = "/" + strings.TrimLeft(path, "/") // as clients write an access point that ends with a slash
	got := strings.Split(strings.TrimSuffix(path, "/"), "/")
	method := c.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	for template, item := range s.Doc.Paths.Map() {
		found := item.GetOperation(method)
		v, ok := fits(strings.Split(template, "/"), got)
		if ok && found != nil && (op == nil || len(v) < len(values)) {
			name, op, values = method+" "+template, found, v
		}
	}
	return name, op, values
}

func fits(template, got []string) (map[string]string, bool) {
	values := map[string]string{}
	if len(template) != len(got) {
		return nil, false
	}
	for i, want := range template {
		if !strings.HasPrefix(want, "{") {
			if want != got[i] {
				return nil, false
			}
			continue
		}
		value, err := url.PathUnescape(got[i])
		if err != nil {
			return nil, false
		}
		values[strings.Trim(want, "{}")] = value
	}
	return values, true
}

// Fits returns an error when a schema does not allow a value, as encoding/json decodes it.
func Fits(schema *openapi3.SchemaRef, value any) error {
	return schema.Value.VisitJSON(value, openapi3.EnableJSONSchema2020(), openapi3.EnableFormatValidation(), openapi3.MultiErrors())
}

func (s *Spec) answerFault(want *openapi3.Response, a Answer, head bool) error {
	for name, header := range want.Headers {
		values := a.Header.Values(name)
		if len(values) != 1 {
			if header.Value.Required || len(values) > 1 {
				return fmt.Errorf("the header %s is there %d times", name, len(values))
			}
			continue
		}
		if err := header.Value.Schema.Value.VisitJSON(values[0]); err != nil {
			return fmt.Errorf("the header %s: %w", name, err)
		}
	}
	if head {
		return nil
	}
	if len(want.Content) == 0 {
		if len(a.Body) > 0 {
			return errors.New("there should be no body")
		}
		return nil
	}
	content, err := mediaOf(want.Content, a.Header.Get("Content-Type"))
	if err != nil || !isJSON(a.Header.Get("Content-Type")) {
		return err
	}
	return s.fits(content.Schema, a.Body)
}

// fits is Fits for the text of a JSON value.
func (s *Spec) fits(schema *openapi3.SchemaRef, body []byte) error {
	key := fitted{schema.Value, string(body)}
	if _, known := s.fitting.Load(key); known {
		return nil
	}
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		return err
	}
	err := Fits(schema, value)
	if err == nil {
		s.fitting.Store(key, true)
	}
	return err
}

// mediaOf is what the document says of a media type.
func mediaOf(content openapi3.Content, header string) (*openapi3.MediaType, error) {
	media, _, err := mime.ParseMediaType(header)
	if err != nil {
		return nil, fmt.Errorf("the media type %q: %w", header, err)
	}
	if content[media] == nil {
		return nil, fmt.Errorf("the document has no media type %s here", media)
	}
	return content[media], nil
}

// isJSON tells a media type whose values have a schema.
func isJSON(header string) bool {
	media, _, err := mime.ParseMediaType(header)
	return err == nil && (media == "application/json" || strings.HasSuffix(media, "+json"))
}

func parameterFault(op *openapi3.Operation, c Call, path map[string]string) error {
	_, text, _ := strings.Cut(c.Path, "?")
	query, err := url.ParseQuery(text)
	if err != nil {
		return err
	}
	for _, ref := range op.Parameters {
		p := ref.Value
		value, sent := "", false
		switch p.In {
		case openapi3.ParameterInPath:
			value, sent = path[p.Name]
		case openapi3.ParameterInQuery:
			value, sent = query.Get(p.Name), query.Has(p.Name)
		case openapi3.ParameterInHeader:
			value, sent = c.Header[p.Name]
		}
		if !sent && p.Required {
			return fmt.Errorf("the parameter %s is missing", p.Name)
		}
		if sent {
			if err := Fits(p.Schema, typed(p.Schema, value)); err != nil {
				return fmt.Errorf("the parameter %s: %w", p.Name, err)
			}
		}
	}
	return nil
}

// typed is a parameter's text as the JSON value that its schema speaks of.
func typed(schema *openapi3.SchemaRef, text string) any {
	var value any
	if !schema.Value.Type.Is("string") && json.Unmarshal([]byte(text), &value) == nil {
		return value
	}
	return text
}

func (s *Spec) bodyFault(op *openapi3.Operation, c Call) error {
	if op.RequestBody == nil {
		if len(c.Body) > 0 {
			return errors.New("the document has no body here")
		}
		return nil
	}
	want := op.RequestBody.Value
	if len(c.Body) == 0 {
		if want.Required {
			return errors.New("the body is missing")
		}
		return nil
	}
	content, err := mediaOf(want.Content, c.Media)
	if err != nil || !isJSON(c.Media) && !strings.HasPrefix(c.Media, "application/x-www-form-urlencoded") {
		return err
	}
	body, err := jsonBody(c)
	if err != nil {
		return err
	}
	if err := s.fits(content.Schema, body); err != nil {
		return fmt.Errorf("the body: %w", err)
	}
	return nil
}

// jsonBody is a call's body, a form's as an object of texts.
func jsonBody(c Call) ([]byte, error) {
	if !strings.HasPrefix(c.Media, "application/x-www-form-urlencoded") {
		return c.Body, nil
	}
	form, err := url.ParseQuery(string(c.Body))
	if err != nil {
		return nil, err
	}
	object := map[string]any{}
	for name := range form {
		object[name] = form.Get(name)
	}
	return json.Marshal(object)
}
