// Package apitest is for the tests of the dialects: calls through HTTP, and
// golden samples of requests and answers.
//
// It serves tests only and knows no dialect and no room.
package apitest

import (
	"bytes"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strings"
	"testing"
)

// Client calls one server with one token.
type Client struct {
	T testing.TB
	// URL of the server, without a slash at its end.
	URL string
	// Authorization header; empty sends none.
	Authorization string
	// Cookie header; empty sends none.
	Cookie string
	// Golden, when set, records the calls that name a route.
	Golden *Golden
	// Check, when set, sees every call and its answer.
	Check func(Call, Answer)
}

// Call is one request.
type Call struct {
	// Route, when set, is the pattern the call is a golden sample of.
	Route        string
	Method, Path string
	Media        string // application/json if there is a body and no media type
	Body         []byte
	// Header is sent beside; "Host" is the host the call is meant for.
	Header map[string]string
	// Learn names values of the answer for the golden samples: name to path, as Answer.At takes it.
	Learn map[string]string
}

// Answer is what came back.
type Answer struct {
	t      testing.TB
	what   string
	Status int
	Header http.Header
	Body   []byte
}

// Do makes a call; redirects are not followed.
func (c Client) Do(call Call) Answer {
	c.T.Helper()
	if call.Media == "" && call.Body != nil {
		call.Media = "application/json"
	}
	req, err := http.NewRequest(call.Method, c.URL+call.Path, bytes.NewReader(call.Body))
	if err != nil {
		c.T.Fatal(err)
	}
	for name, value := range map[string]string{"Content-Type": call.Media, "Authorization": c.Authorization, "Cookie": c.Cookie} {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	for name, value := range call.Header {
		req.Header.Set(name, value)
		if name == "Host" {
			req.Host = value
		}
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		c.T.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.T.Fatal(err)
	}
	a := Answer{t: c.T, what: call.Method + " " + call.Path, Status: resp.StatusCode, Header: resp.Header, Body: body}
	if c.Check != nil {
		c.Check(call, a)
	}
	for name, path := range call.Learn {
		c.Golden.Name(name, a.Text(path))
	}
	if call.Route != "" && c.Golden != nil {
		c.Golden.check(c.T, call, a)
	}
	return a
}

// As is the client with another Authorization header.
func (c Client) As(authorization string) Client {
	c.Authorization = authorization
	return c
}

// Get is a call without a golden sample.
func (c Client) Get(path string) Answer {
	c.T.Helper()
	return c.Do(Call{Method: "GET", Path: path})
}

// Delete is a call without a golden sample.
func (c Client) Delete(path string) Answer {
	c.T.Helper()
	return c.Do(Call{Method: "DELETE", Path: path})
}

// Post is a call with a JSON body and without a golden sample.
func (c Client) Post(path, body string) Answer {
	c.T.Helper()
	return c.Do(Call{Method: "POST", Path: path, Body: []byte(body)})
}

// Put is a call with a JSON body and without a golden sample.
func (c Client) Put(path, body string) Answer {
	c.T.Helper()
	return c.Do(Call{Method: "PUT", Path: path, Body: []byte(body)})
}

// Want fails the test unless the answer has a status.
func (a Answer) Want(status int) Answer {
	a.t.Helper()
	if a.Status != status {
		a.t.Fatalf("%s: status %d, want %d: %.2000s", a.what, a.Status, status, a.Body)
	}
	return a
}

// Into decodes a JSON answer.
func (a Answer) Into(v any) Answer {
	a.t.Helper()
	if err := json.Unmarshal(a.Body, v); err != nil {
		a.t.Fatalf("%s: %v: %.2000s", a.what, err, a.Body)
	}
	return a
}

// At is the member of a JSON answer at a path of names and indices: "results.0.id".
func (a Answer) At(path string) any {
	a.t.Helper()
	var v any
	a.Into(&v)
	for name := range strings.SplitSeq(path, ".") {
		switch node := v.(type) {
		case map[string]any:
			member, ok := node[name]
			if !ok {
				a.t.Fatalf("%s: no %s in %.2000s", a.what, path, a.Body)
			}
			v = member
		case []any:
			i := strings.Index("0123456789", name)
			if len(name) != 1 || i < 0 || i >= len(node) {
				a.t.Fatalf("%s: no %s in %.2000s", a.what, path, a.Body)
			}
			v = node[i]
		default:
			a.t.Fatalf("%s: no %s in %.2000s", a.what, path, a.Body)
		}
	}
	return v
}

// Text is At for a member that is a string.
func (a Answer) Text(path string) string {
	a.t.Helper()
	s, ok := a.At(path).(string)
	if !ok {
		a.t.Fatalf("%s: %s is no text in %.2000s", a.what, path, a.Body)
	}
	return s
}

// Part is one part of a multipart body; one with a File name is a file.
type Part struct{ Name, File, Media, Data string }

// Boundary of the bodies that Multipart makes; a golden sample shows it.
const Boundary = "----Boundary1bNO60n7FqP5WO4t"

// Multipart makes a multipart/form-data body and its media type.
func Multipart(parts ...Part) (body []byte, media string) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	if err := w.SetBoundary(Boundary); err != nil {
		panic(err)
	}
	for _, p := range parts {
		disposition := `form-data; name="` + p.Name + `"`
		if p.File != "" {
			disposition += `; filename="` + p.File + `"`
		}
		header := textproto.MIMEHeader{"Content-Disposition": {disposition}}
		if p.Media != "" {
			header.Set("Content-Type", p.Media)
		}
		part, err := w.CreatePart(header)
		if err == nil {
			_, err = io.WriteString(part, p.Data)
		}
		if err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.Bytes(), w.FormDataContentType()
}
