package mail

import (
	"context"
	"fmt"
	"regexp"

	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
)

// Brand is in whose name a message goes out.
type Brand struct {
	// Name stands before the sender address and at the letter's head; "" is the product's.
	Name string
	// Logo is the digest of a picture for the letter's head; "" is none.
	Logo string
}

// Branding is where brands come from; the zero Branding has none.
type Branding struct {
	// Of is the brand of an account, given by its internal id.
	Of func(tx *db.Tx, account string) (Brand, error)
	// Logo gives a picture by its digest. NotFound when there is none.
	Logo func(ctx context.Context, digest string) (media string, data []byte, err error)
}

// maxSender bounds the name before the sender address, in characters.
const maxSender = 100

// brandOf is the brand of a message, fit for its head and its headers.
func (p *Post) brandOf(tx *db.Tx, m Message) (b Brand, err error) {
	if p.branding.Of == nil || m.Account == "" {
		return b, nil
	}
	if b, err = p.branding.Of(tx, m.Account); err != nil {
		return b, fmt.Errorf("the brand of account %s: %w", m.Account, err)
	}
	b.Name = shorten(line(b.Name), maxSender)
	if p.branding.Logo == nil || !isDigest.MatchString(b.Logo) {
		b.Logo = ""
	}
	return b, nil
}

var isDigest = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)

// contentID is what the HTML calls the picture that goes along (RFC 2392). The
// digest makes it the picture's own, in whatever message it is.
func contentID(digest string) string { return digest + "@logo.invalid" }

// logoTag is the picture in a letter that was laid out; its attributes are escaped, so they have no '>'.
var logoTag = regexp.MustCompile(`<img class="logo"[^>]*>`)

// picture reads the logo of a message. One that is gone since the message was
// written leaves the letter without it: late words are worse than a bare head.
func (p *Post) picture(ctx context.Context, e *envelope) (media string, data []byte, err error) {
	if e.Logo == "" || p.branding.Logo == nil {
		return "", nil, nil
	}
	media, data, err = p.branding.Logo(ctx, e.Logo)
	if errs.KindOf(err) == errs.NotFound {
		e.Logo, e.HTML = "", logoTag.ReplaceAllString(e.HTML, "")
		return "", nil, nil
	}
	return media, data, err
}
