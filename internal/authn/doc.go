// Package authn says WHO a caller is: which client a token or a key belongs to,
// whose mailbox a browser has proved, and who is signed in to the console.
//
// Programs. A client is a program's credential: a client id and a secret kept as
// a hash. There are two kinds. A member's client acts as one user of an account;
// ClientToken gives it a JWT (RFC 9068) for an hour. A technical account belongs
// to an organisation that is a partner, and acts as nobody; TechnicalToken gives
// it a JWT for 24 hours, and for that, Exchange gives a JWT of one of the
// partner's users for 5 minutes:
//
//	id, secret ──TechnicalToken──▶ actor ─┐
//	e-mail address in a subject token ────┴──Exchange──▶ user token
//
// All are checked without the database, which is looked into only for a key that
// was not heard of. Taking away works by generations: a
// token carries those of its client, user, account and partner at the time it
// was given, and is dead once one of them has been raised. The last two kinds of
// token have only the vendor's claims and standard ones, so theirs travel in one
// string (standing). A single token is taken back by Invalidate, which is
// followed in the same manner. Run follows; a process that could not for five
// seconds answers Unavailable rather than trust old news.
//
// Clients that proved themselves are kept in memory, too, until something about
// them is raised: a generation of kind "secret" where tokens shall live on. What
// memory does not confirm the database is asked, so a new secret is good at once.
//
// A client also gets opaque tokens (AppToken), kept as hashes, and tokens of both forms that act as another sender of its
// account (As). An application makes sessions for its sender and for the signers of its packages: a session token, mostly
// good for one use, is exchanged for a cookie:
//
//	application ──NewSessionToken──▶ session token ──OpenSession──▶ session, 30 minutes without a call
//
// A session stands on the generations of the credential that made it, of its maker, of who acted in the maker's place, of the
// account and of whom it acts as, and on the token that made it. It dies when one of them is taken away, and may be taken
// back itself (Invalidate): every form of token has an id of its own for that. That the token has expired meanwhile does not
// end it: a session is there so that a person outlasts a program's token.
//
// Two kinds of token are looked at more closely, for what they are good for is what their user holds at the moment
// (access.RightsOf), of what they are made for: access tokens ("cst_…", kept as hashes), which read the access list, and the
// opaque tokens that IntelAgree's account keys give for 24 hours, beside a subscription key on every call. Who has lost the
// right is known by them still, and may nothing. Impersonated has such a program act as another user, as far as both may.
//
// Keys. Tokens are signed by an Ed25519 key, or an RSA key for clients that are
// set to RS256. Keys are renewed after 30 days and kept until their last token
// has expired.
//
// Browsers. A browser session is a cookie of 256 bits, kept as a hash. Into it
// go the personal links it came through (entries) and the mailboxes it has
// proved by a code (proofs):
//
//	no session ──Enter──▶ entered ──SendCode, ProveCode──▶ proven
//	                         ▲                                │
//	                         └──30 minutes without an act─────┘
//
// A proof lapses after 30 minutes without Proof being called for that person,
// after twelve hours in any case, and at once when the user is locked or
// deactivated. It belongs to the user, not to the address alone: whoever gets
// the address next has proved nothing.
//
// An application of the sender may send a person's browser to a package and
// answer for who he is (EnterBySession). That is told apart from a proof
// (BySession), in evidence as well. It is in the place of one where the account's
// member identification is "link" or "new browser", and for a person who signs for
// himself alone. Where it is "always", a member of a group has to prove his
// mailbox by a code for each package, and no application's word is in the place of
// that: it opens the page, on which the code is asked for, and by API the member
// cannot sign (signing, Denied "signer.identify"). So an account that does not want
// to take its programs' word for its members sets "always". What stands on such a
// word ends with the session's credential, as the session does.
//
// The console. A person, a user or one of the staff, signs in by a link that is mailed to him, by a password, or at his
// organisation's OpenID provider, and gets a session, whose cookie is a new one each time:
//
//	address ──SendSignInLink──▶ (job) ──▶ mail ──RedeemLink──────────┐
//	address, password ──PasswordSignIn──▶ (choice ──RedeemLink)──────┼──▶ session ──ConsolePrincipal──▶ principal
//	organisation ──BeginOIDC──▶ provider ──FinishOIDC────────────────┘      └── 30 minutes without a call, 12 hours
//
// A session is checked against its person in the database each time, and so are his rights: nothing outlives being locked,
// deactivated or ended, or getting another address: that may be somebody else's mailbox. Several people may share an address; then one is chosen.
//
// Whether somebody has an address is told to nobody. A link is made and mailed by a job, which every address gets alike. A
// password costs one Argon2id hash (RFC 9106) for every address alike, for the salt is the address's: it is made of it
// with the installation's key, and all people of one address share it. So a password is bound to its address, and a person
// who gets another one sets it anew. Guesses are counted for the address and for the network they come from, in room limit,
// while the slot for hashing is held, so that parallel ones do not overtake the count.
//
// A provider's word is taken for its organisation alone. The first time, it has to have verified the address, the
// organisation to have proved the address's domain, and to have exactly one person of it; from then on issuer and subject
// name him, until he gets another address. Providers are called through the gate of room outward.
//
// What this room does not do: say what a caller may do (authz), set cookies or
// read headers (api, web), keep users and partners (directory), or know what a
// package is.
package authn
