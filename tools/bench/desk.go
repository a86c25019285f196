package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"mime/multipart"
	"net/textproto"
	"net/url"
	"strings"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/server"
)

// desk is an account that sends packages, set up over HTTP as its integration would.
type desk struct {
	client, secret string
	bearer         string
	account, outer string   // internal and outer id
	packageRows    []row    // what creating a package of one page writes
	many           []string // packages' outer ids, in random order
}

// openDesk makes the account and its client.
func openDesk(ctx context.Context, rooms *server.Rooms) (*desk, error) {
	account, err := rooms.Directory.CreateAccount(ctx, directory.NewAccount{Name: "Example Pharmacy"})
	if err != nil {
		return nil, err
	}
	k := &desk{account: account.ID, outer: account.OuterID}
	k.client, k.secret, err = rooms.Authn.CreateClient(ctx, account.ID, []authz.Right{authz.Sign}, "Bench")
	return k, err
}

// signIn gets a token.
func (k *desk) signIn(c *child) (err error) {
	k.bearer, err = c.get(request("POST", "/api/v1/auth/connect/token", formMedia, "", url.Values{"grant_type": {"client_credentials"},
		"client_id": {k.client}, "client_secret": {k.secret}, "scope": {"sign"}}.Encode()), 200, "access_token")
	return err
}

const payloadEmail = "mary.doe@example.org"

const payload = `{"name":"Prescription","description":"For the files","status":"DRAFT","language":"en","roles":[{"id":"r1","name":"Signer","index":0,
	"signers":[{"id":"s1","email":"` + payloadEmail + `","firstName":"Mary","lastName":"Doe"}]}],
	"documents":[{"id":"d1","name":"Prescription","approvals":[{"id":"a1","role":"r1","fields":[
	{"id":"f1","type":"SIGNATURE","subtype":"FULLNAME","page":0,"left":100,"top":800,"width":200,"height":50}]}]}]}`

// create is the request for a draft with a document of so many pages.
func (k *desk) create(pages int) []byte { return k.send(payload, pages) }

// send is the request for a package of a payload with a document of so many pages.
func (k *desk) send(payload string, pages int) []byte {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	file, err := form.CreatePart(textproto.MIMEHeader{"Content-Disposition": {`form-data; name="file"; filename="prescription.pdf"`},
		"Content-Type": {"application/pdf"}})
	if err == nil {
		_, err = file.Write(pdfOf(pages))
	}
	if err = errors.Join(err, form.WriteField("payload", payload), form.Close()); err != nil {
		panic(err) // a buffer takes everything
	}
	return request("POST", "/api/packages", form.FormDataContentType(), k.bearer, body.String())
}

// observeDesk learns what creating a package writes.
func (t *tenant) observeDesk(ctx context.Context, c *child) (err error) {
	t.desk.packageRows, err = t.observe(ctx, func() error {
		_, err := c.get(t.desk.create(1), 200, "id")
		return err
	})
	return err
}

// fillDesk brings the number of packages up to n and reads them.
func (t *tenant) fillDesk(ctx context.Context, n int) (err error) {
	rows := t.desk.rows(packageTables...)
	for i := range rows { // outer ids of packages are 20 bytes in base64
		for j := range rows[i].Cells {
			if c := &rows[i].Cells[j]; c.Text != nil && c.Fresh != 0 && len(*c.Text) == 28 && strings.HasSuffix(*c.Text, "=") {
				c.Outer = true
			}
		}
	}
	if err := t.db.fill(ctx, t.pool, rows, n-3); err != nil {
		return err
	}
	if err := t.recount(ctx, n-3); err != nil {
		return err
	}
	t.desk.many, err = column(ctx, t.pool, `select outer_id from packages where account_id = $1 order by random() limit 20000`, t.desk.account)
	return err
}

// packageTables are those a package lies in, referenced before referencing.
var packageTables = []string{"packages", "documents", "roles", "approvals", "fields"}

// rows are those of some tables, in that order.
func (k *desk) rows(tables ...string) (out []row) {
	for _, table := range tables {
		out = append(out, of(k.packageRows, table)...)
	}
	return out
}

// recount adds n packages to the account's counter of drafts.
func (t *tenant) recount(ctx context.Context, n int) error {
	_, err := t.pool.ExecContext(ctx, `update package_counts set n = n + $2 where account_id = $1 and status = 'DRAFT'
		and shard = (select min(shard) from package_counts where account_id = $1 and status = 'DRAFT')`, t.desk.account, n)
	return err
}

// outerID is a package's id as the server makes them.
func outerID() string { return base64.URLEncoding.EncodeToString([]byte(letters(20))) }
