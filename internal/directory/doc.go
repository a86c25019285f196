// Package directory knows organisations and their mail domains, the partners who
// provision accounts, the accounts' users, and the groups those sign in.
//
// An organisation has accounts, an account has users. A user's e-mail address,
// in canonical form, is unique among the organisation's users: the living, and
// the deactivated ones that a partner made. Who gets the address of another
// deactivated user is a new user and inherits nothing. A sender is a user who may
// send packages and be a member of groups.
//
//	INVITED ──first proof of the mailbox──▶ ACTIVE ◀──▶ LOCKED
//	   └──────────────┬──────────────────────┴──────────┘
//	              deactivate ──▶ INACTIVE ──restore──▶ INVITED or ACTIVE
//
// A partner is a software vendor with a technical account of one organisation.
// It makes accounts for its customers, and users with addresses in the domains
// that the organisation has proved. It vouches for their mailboxes: such a user
// is ACTIVE at once, and INVITED only when the account gives him another address.
//
//	register ──▶ INACTIVE ◀──operator──▶ ACTIVE
//
// A partner that is not ACTIVE can do nothing by its technical account or in the
// name of its users. Its accounts go on, with their own clients, packages under
// way and signers: they are its customers' business. A partner's channel holds
// settings that its accounts inherit: what an account sets narrows them and never
// widens (Account.Effective). An account's seats are counted exactly
// while it has a cap; seat.go says how. Ids outside the caller's partner are
// unknown, and an administrator's other accounts of his partner foreign to him.
//
// A signer group is a set of senders who act as one signer. A deleted group
// keeps its row, so that old packages can still name it, but neither members,
// nor its name, nor its outer id.
//
// An account lists its users with what they are and have (Listed). How many there are, by status and licence, and a
// version that grows with each change of the list are counted in parts, exactly, by the acts themselves: each calls
// countNew, recount or Touch. A licence is a seat of a product: every sender has conga_sign. Other systems know a user
// by business keys, each of which is one user's, and by an integer, which is given once.
//
// Staff are people who are no users: operators, and those of an organisation who run its partners' accounts. They
// see what reachOf says and change what managing lets them, which each act asks in its transaction.
//
// Taking away: locking and deactivating a user, deactivating a partner or one of the
// staff, or raising any generation by Raise, writes only this room's rows. Those who cache
// what a user may do follow ChangedSince; those who act for a member call
// HoldActiveMember first, which also keeps the member as he is until their
// transaction ends. Rows are locked in the order partner, group, user,
// membership, address, account, account's name, consumable, number, business key,
// generation, and last of all, by db.BeforeCommit, the counters of users in the
// order of account and licence.
//
// What this room does not do: prove who somebody is (authn), say which routes a
// client may call (authz), or know packages (signing). It sends the mails that
// invite a sender to the account and a member to a group, no others.
package directory
