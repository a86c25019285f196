package authn

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/secret"
)

const (
	sessionTokenPurpose = "session.token"
	sessionPurpose      = "session.cookie"
	// sessionTokenLife is how long a session token may wait (OneSpan Sign, Authentication Tokens: 30 minutes).
	sessionTokenLife = 30 * time.Minute
	// touchEvery keeps calls from writing each time; a session lapses at most that much early.
	touchEvery = time.Minute
	maxCookie  = 200
)

// SessionKind says for whom an application makes a session.
type SessionKind string

// The kinds of session.
const (
	UserSession   SessionKind = "user"   // the calling sender, everywhere in the account
	SenderSession SessionKind = "sender" // the calling sender, in one package
	SignerSession SessionKind = "signer" // one signer of one package
)

// NewSession is what a session token is made for.
type NewSession struct {
	Kind SessionKind
	// As is whom the session acts as: his Kind, User, Package, Role, Invitee and Rights count; the client, its account
	// and what the session stands on are the application's own.
	As authz.Principal
	// Single says that the token is good for one session.
	Single bool
	// Fields are the application's own words, kept with the event that the token was made.
	Fields map[string]string
}

// footing is whom a token or a session is for, and what it stands on: generations,
// and tokens. It dies once one of the first is raised, or of the others taken back.
type footing struct {
	Principal       authz.Principal
	Generations     generationsNow
	Maker           string // internal id of the user whose application made it
	MakerGeneration int64
	By              string // internal id of the user who acted in the maker's place; Principal.By is empty for a signer
	Token           string // id of the token that the application came with; "" of an API key
	Session         string // internal id of the session, of what was made by one
	// Within, of a token: all that it may be used for, as far as its user holds it at the time; nil: Principal's rights.
	Within []authz.Right `json:",omitempty"`
}

// holding is one generation that something stands on.
type holding struct {
	holder
	generation int64
}

func (s footing) holdings() []holding {
	p, g := s.Principal, s.Generations
	return []holding{{holder{directory.OfClient, p.Client}, g.Client}, {holder{directory.OfAccount, p.Account}, g.Account},
		{holder{directory.OfUser, p.User}, g.User}, {holder{directory.OfUser, s.By}, g.By}, {holder{directory.OfUser, s.Maker}, s.MakerGeneration}}
}

// footingOf is what a session of an application stands on: what the application's own credential does, however old the
// news were by which it was let in, and for a signer also the signer.
func footingOf(tx *db.Tx, by, as authz.Principal) (f footing, err error) {
	g, token, err := noted(by.Stands)
	if err != nil {
		return f, err
	}
	f = footing{Principal: as, Generations: g, Maker: by.User, MakerGeneration: g.User, By: by.By, Token: token}
	if as.Kind == authz.Signer {
		f.Generations.User, err = directory.GenerationOf(tx, directory.OfUser, as.User)
	}
	return f, err
}

func (a *Authn) standsStill(n *news, s footing) bool {
	return !a.revoked.has(s.Token) && !a.revoked.has(s.Session) &&
		!slices.ContainsFunc(s.holdings(), func(h holding) bool { return n.dead(h.kind, h.id, h.generation) })
}

// standsIn is standsStill by the database, for who is in a transaction anyhow.
func (s footing) standsIn(tx *db.Tx) (bool, error) {
	for _, h := range s.holdings() {
		if h.id == "" {
			continue
		}
		now, err := directory.GenerationOf(tx, h.kind, h.id)
		if err != nil || h.generation < now {
			return false, err
		}
	}
	taken, err := db.One[int64](tx, `select count(*) from revoked_tokens where id in ($1, $2) and id <> ''`, s.Token, s.Session)
	return taken == 0, err
}

// NewSessionToken makes a token that is exchanged for a session by OpenSession,
// within 30 minutes. p is the application. It is shown here and never again.
//
// Denied "right.missing"; Denied "session.maker" for who is in a session
// himself, so that none is prolonged by its own means; Denied "member.inactive".
func (a *Authn) NewSessionToken(ctx context.Context, p authz.Principal, in NewSession) (token string, err error) {
	token = secret.Token(32)
	err = a.making(ctx, p, in, func(tx *db.Tx, s footing) error {
		if _, err := tx.Exec(`insert into session_tokens (hash, kind, single, standing, expires_ms) values ($1, $2, $3, $4, clock_ms() + $5)`,
			a.box.Hash(sessionTokenPurpose, token), string(in.Kind), in.Single, db.AsJSON(s), sessionTokenLife.Milliseconds()); err != nil {
			return err
		}
		if in.Kind == SignerSession && len(in.Fields) == 0 {
			return nil // its event is written where the signer is found
		}
		return recordSession(tx, "session.token_made", in.Kind, s, in.Fields)
	})
	if err != nil {
		return "", err
	}
	return token, nil
}

// StartSession makes a session at once and returns its cookie. Refusals are those of NewSessionToken.
func (a *Authn) StartSession(ctx context.Context, p authz.Principal, in NewSession) (cookie string, err error) {
	err = a.making(ctx, p, in, func(tx *db.Tx, s footing) error {
		if cookie, _, err = a.openedSession(tx, s); err != nil {
			return err
		}
		return recordSession(tx, "session.opened", in.Kind, s, in.Fields)
	})
	if err != nil {
		return "", err
	}
	return cookie, nil
}

// making runs the act of an application that makes a session or its token.
func (a *Authn) making(ctx context.Context, p authz.Principal, in NewSession, act func(*db.Tx, footing) error) error {
	if err := p.Need(authz.Sign); err != nil {
		return err
	}
	if p.Session != "" {
		return errs.New(errs.Denied, "session.maker", "A session makes no sessions.")
	}
	as := in.As
	as.Client, as.Organisation, as.Account, as.By = p.Client, p.Organisation, p.Account, p.By
	as.Session, as.Stands = "", ""
	if as.Kind == authz.Member {
		as.Rights = []authz.Right{authz.Sign} // whatever else the application may
	} else {
		as.By = ""
	}
	return a.db.Write(ctx, func(tx *db.Tx) error {
		if err := directory.HoldActiveUser(tx, p.User); err != nil {
			return err
		}
		f, err := footingOf(tx, p, as)
		if err != nil {
			return err
		}
		return act(tx, f)
	})
}

// openedSession keeps a session; whom it acts as has signed in, by his application.
func (a *Authn) openedSession(tx *db.Tx, s footing) (cookie, id string, err error) {
	if s.Principal.User != "" {
		if err = directory.SignedIn(tx, s.Principal.User); err != nil {
			return "", "", err
		}
	}
	cookie, id = secret.Token(cookieBytes), secret.NewID()
	_, err = tx.Exec(`insert into api_sessions (id, hash, standing, created_ms, last_ms) values ($1, $2, $3, clock_ms(), clock_ms())`,
		id, a.box.Hash(sessionPurpose, cookie), db.AsJSON(s))
	return cookie, id, err
}

// OpenSession exchanges a session token of a kind for a session and returns its
// cookie. A token for one session is spent, whoever else tries at the same
// moment. Unauthenticated "session_token.invalid"; Unavailable "authn.stale".
func (a *Authn) OpenSession(ctx context.Context, kind SessionKind, token string) (cookie string, p authz.Principal, err error) {
	n, _, err := a.current()
	if err != nil {
		return "", p, err
	}
	if len(token) > maxCookie || !storable(token) {
		return "", p, badSessionToken()
	}
	err = a.db.Write(ctx, func(tx *db.Tx) error {
		s, err := db.One[db.JSON[footing]](tx, `update session_tokens set spent = true
			where hash = $1 and kind = $2 and expires_ms > clock_ms() and not (single and spent) returning standing`,
			a.box.Hash(sessionTokenPurpose, token), string(kind))
		if errors.Is(err, db.ErrNone) || err == nil && !a.standsStill(n, s.V) {
			err = badSessionToken()
		}
		if err != nil {
			return err
		}
		p = s.V.Principal
		if cookie, p.Session, err = a.openedSession(tx, s.V); err != nil {
			return err
		}
		return recordSession(tx, "session.opened", kind, s.V, nil)
	})
	if err != nil {
		return "", authz.Principal{}, err
	}
	return cookie, p, nil
}

func badSessionToken() error {
	return errs.New(errs.Unauthenticated, "session_token.invalid", "The authentication token is not valid, or not any more.")
}

// AuthenticateSession tells who the cookie of a session stands for. The session
// lapses after 30 minutes without a call, after twelve hours in any case, and
// dies when what it stands on is taken away, though not because the application's
// token has expired. Unauthenticated "token.missing", "token.invalid";
// Unavailable "authn.stale".
func (a *Authn) AuthenticateSession(ctx context.Context, cookie string) (p authz.Principal, err error) {
	n, _, err := a.current()
	if err != nil {
		return p, err
	}
	if cookie == "" {
		return p, errs.New(errs.Unauthenticated, "token.missing", "A session is needed.")
	}
	r, err := a.openSession(ctx, n, cookie)
	if err == nil && r.IdleMs >= touchEvery.Milliseconds() {
		err = a.db.Write(ctx, func(tx *db.Tx) error {
			_, err := tx.Exec(`update api_sessions set last_ms = clock_ms() where id = $1`, r.ID)
			return err
		})
	}
	if err != nil {
		return authz.Principal{}, err
	}
	p = counted(r.Standing.V.Principal)
	p.Session = r.ID
	return p, nil
}

// sessionRow is a session that has not lapsed.
type sessionRow struct {
	ID        string
	Standing  db.JSON[footing]
	IdleMs    int64
	CreatedMs int64
}

// openSession finds a session by its cookie. Unauthenticated "token.invalid".
func (a *Authn) openSession(ctx context.Context, n *news, cookie string) (r sessionRow, err error) {
	err = a.db.Read(ctx, func(tx *db.Tx) (err error) {
		r, err = db.One[sessionRow](tx, `select id, standing, clock_ms() - last_ms as idle_ms, created_ms from api_sessions
			where hash = $1 and last_ms > clock_ms() - $2 and created_ms > clock_ms() - $3`,
			a.box.Hash(sessionPurpose, cookie), idleFor.Milliseconds(), holdFor.Milliseconds())
		return err
	})
	if errors.Is(err, db.ErrNone) {
		return r, badToken()
	}
	r.Standing.V.Session = r.ID
	if err == nil && !a.standsStill(n, r.Standing.V) {
		err = badToken()
	}
	return r, err
}

// sessionToken is a session as what may be taken back.
func (a *Authn) sessionToken(ctx context.Context, n *news, cookie string) (*verified, error) {
	r, err := a.openSession(ctx, n, cookie)
	if err != nil {
		return nil, err
	}
	return &verified{id: r.ID, principal: r.Standing.V.Principal, generations: r.Standing.V.Generations,
		expires: (r.CreatedMs + holdFor.Milliseconds()) / 1000}, nil
}

// recordSession writes down that an application made a token or a session came of it, from where (attack L4: also a
// sender who sits in a signer's session himself).
func recordSession(tx *db.Tx, event string, kind SessionKind, s footing, fields map[string]string) error {
	p := s.Principal
	e := audit.Event{Type: event, Account: p.Account, Package: p.Package, Role: p.Role,
		Actor:  audit.Actor{Kind: audit.KindClient, Client: p.Client, User: s.Maker},
		Detail: map[string]string{"kind": string(kind), "by_client": p.Client}}
	if p.User != "" {
		e.Detail["user"] = p.User
	}
	if len(fields) > 0 {
		text, err := json.Marshal(fields, json.Deterministic(true))
		if err != nil {
			return err
		}
		e.Personal = map[string]string{"session_fields": string(text)}
	}
	_, err := audit.Append(tx, e)
	return err
}
