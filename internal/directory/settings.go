package directory

import (
	"cmp"
	"encoding/json"
	"math"
	"slices"
	"time"

	"countersign.dev/internal/audit"
	"countersign.dev/internal/db"
	"countersign.dev/internal/errs"
)

// Settings of an account, or of the channel through which a partner's accounts
// inherit. A zero member is not set: an account takes its channel's, a channel
// the server's default.
type Settings struct {
	// MemberIdentification says when a person must prove his mailbox by a code:
	// "new browser", "always" (for every package), or "link" (the personal link is enough).
	MemberIdentification string `json:"member_identification,omitempty"`
	// SoftLease is how long a group member may look at the signing page before touching it; 1 s to 24 h.
	SoftLease time.Duration `json:"soft_lease,omitempty"`
	// HardLease is how long a lease lives after the last sign of life; 1 s to 24 h.
	HardLease time.Duration `json:"hard_lease,omitempty"`
	// Heartbeat is how often the signing page gives one; 1 s to 24 h, and below HardLease.
	Heartbeat time.Duration `json:"heartbeat,omitempty"`
	// MaxHold is how long one member may hold while others wait; 1 s to 24 h.
	MaxHold time.Duration `json:"max_hold,omitempty"`
	// RemindFirst is how long after the invitation a signer is reminded; 1 min to 90 days.
	RemindFirst time.Duration `json:"remind_first,omitempty"`
	// RemindEvery is how long after one reminder the next comes; 1 min to 90 days.
	RemindEvery time.Duration `json:"remind_every,omitempty"`
	// RemindAtMost is how many reminders one signer gets, 1 to 10; NoReminders is none.
	RemindAtMost int `json:"remind_at_most,omitempty"`
	// SenderName is whom mails name as their sender; one line of at most 200 characters.
	SenderName string `json:"sender_name,omitempty"`
}

// The ways of MemberIdentification.
const (
	NewBrowser = "new browser"
	Always     = "always"
	Link       = "link"
)

// NoReminders is the RemindAtMost of who wants none, which zero does not say.
const NoReminders = -1

// In a change, each of these unsets a setting, so that it is inherited again. They are never stored.
const (
	Inherit       = "inherit" // of a text
	InheritTime   = time.Duration(math.MinInt64)
	InheritNumber = -2
)

// Defaults are the settings of a server that sets none.
var Defaults = Settings{
	MemberIdentification: NewBrowser,
	SoftLease:            90 * time.Second,
	HardLease:            15 * time.Minute,
	Heartbeat:            30 * time.Second,
	MaxHold:              time.Hour,
	RemindFirst:          72 * time.Hour,
	RemindEvery:          72 * time.Hour,
	RemindAtMost:         NoReminders,
}

// Or fills what s leaves open from defaults.
func (s Settings) Or(defaults Settings) Settings {
	return Settings{
		MemberIdentification: cmp.Or(s.MemberIdentification, defaults.MemberIdentification),
		SoftLease:            cmp.Or(s.SoftLease, defaults.SoftLease),
		HardLease:            cmp.Or(s.HardLease, defaults.HardLease),
		Heartbeat:            cmp.Or(s.Heartbeat, defaults.Heartbeat),
		MaxHold:              cmp.Or(s.MaxHold, defaults.MaxHold),
		RemindFirst:          cmp.Or(s.RemindFirst, defaults.RemindFirst),
		RemindEvery:          cmp.Or(s.RemindEvery, defaults.RemindEvery),
		RemindAtMost:         cmp.Or(s.RemindAtMost, defaults.RemindAtMost),
		SenderName:           cmp.Or(s.SenderName, defaults.SenderName),
	}
}

// strictness of the ways of identification, the laxest first.
var strictness = []string{Link, NewBrowser, Always}

// narrowed is s where the channel leaves it: of two values the stricter, that is
// the surer identification, the shorter lease, the fewer, later and rarer
// reminders. What only one of them sets holds; the account's own sender name
// replaces the channel's.
func (s Settings) narrowed(channel Settings) Settings {
	out := s.Or(channel)
	if channel.MemberIdentification != "" && slices.Index(strictness, channel.MemberIdentification) > slices.Index(strictness, out.MemberIdentification) {
		out.MemberIdentification = channel.MemberIdentification
	}
	out.SoftLease, out.HardLease = stricter(out.SoftLease, channel.SoftLease), stricter(out.HardLease, channel.HardLease)
	out.Heartbeat, out.MaxHold = stricter(out.Heartbeat, channel.Heartbeat), stricter(out.MaxHold, channel.MaxHold)
	out.RemindAtMost = stricter(out.RemindAtMost, channel.RemindAtMost)
	out.RemindFirst, out.RemindEvery = max(out.RemindFirst, channel.RemindFirst), max(out.RemindEvery, channel.RemindEvery)
	return out
}

// stricter is the smaller bound; 0 bounds nothing.
func stricter[N ~int | ~int64](own, channel N) N {
	if channel == 0 {
		return own
	}
	return min(own, channel)
}

// wider names the first setting by which s would go beyond the channel.
func (s Settings) wider(channel Settings) (name string, found bool) {
	all, kept := s.Or(channel), s.narrowed(channel)
	switch {
	case kept.MemberIdentification != all.MemberIdentification:
		return "member_identification", true
	case kept.RemindAtMost != all.RemindAtMost:
		return "remind_at_most", true
	}
	was := kept.durations()
	for i, d := range all.durations() {
		if d.value != was[i].value {
			return d.name, true
		}
	}
	return "", false
}

type namedDuration struct {
	name      string
	value     time.Duration
	low, high time.Duration
}

func (s Settings) durations() []namedDuration {
	const day = 24 * time.Hour
	return []namedDuration{
		{"soft_lease", s.SoftLease, time.Second, day}, {"hard_lease", s.HardLease, time.Second, day},
		{"heartbeat", s.Heartbeat, time.Second, day}, {"max_hold", s.MaxHold, time.Second, day},
		{"remind_first", s.RemindFirst, time.Minute, 90 * day}, {"remind_every", s.RemindEvery, time.Minute, 90 * day},
	}
}

// changedBy is s after a change, whose zero members keep.
func (s Settings) changedBy(c Settings) Settings {
	out := c.Or(s)
	for _, text := range []*string{&out.MemberIdentification, &out.SenderName} {
		if *text == Inherit {
			*text = ""
		}
	}
	for _, d := range []*time.Duration{&out.SoftLease, &out.HardLease, &out.Heartbeat, &out.MaxHold, &out.RemindFirst, &out.RemindEvery} {
		if *d == InheritTime {
			*d = 0
		}
	}
	if out.RemindAtMost == InheritNumber {
		out.RemindAtMost = 0
	}
	return out
}

// clean brings a change of settings into its stored form. Invalid "settings.range".
func (s *Settings) clean() error {
	if s.MemberIdentification != "" && s.MemberIdentification != Inherit && !slices.Contains(strictness, s.MemberIdentification) {
		return badSetting("member_identification")
	}
	for _, d := range s.durations() {
		if d.value != 0 && d.value != InheritTime && (d.value < d.low || d.value > d.high || d.value%time.Millisecond != 0) {
			return badSetting(d.name)
		}
	}
	if s.RemindAtMost < InheritNumber || s.RemindAtMost > 10 {
		return badSetting("remind_at_most")
	}
	name, ok := line(s.SenderName)
	if !ok {
		return badSetting("sender_name")
	}
	s.SenderName = name
	return nil
}

// consistent refuses settings under which a lease would lapse between two signs of life. Invalid "settings.range".
func (s Settings) consistent() error {
	if all := s.Or(Defaults); all.Heartbeat >= all.HardLease {
		return badSetting("heartbeat")
	}
	return nil
}

// beating keeps the heartbeat below the lease where an account's heartbeat meets its channel's shorter lease.
func (s Settings) beating() Settings {
	if s.Heartbeat >= s.HardLease {
		s.Heartbeat = s.HardLease / 3
	}
	return s
}

func badSetting(name string) error {
	return errs.New(errs.Invalid, "settings.range", "The setting %s is out of its range.", name).On(name)
}

// changeSettings changes settings inside an act; the change is clean.
func changeSettings(tx *db.Tx, by audit.Actor, account string, c Settings) error {
	if err := holdAccount(tx, account); err != nil {
		return err
	}
	a, err := AccountByID(tx, account)
	if err != nil {
		return err
	}
	next := a.Settings.changedBy(c)
	if name, found := next.wider(a.Channel); found {
		return errs.New(errs.Invalid, "settings.wider", "The setting %s would go beyond what the account's channel allows.", name).On(name)
	}
	if err = next.narrowed(a.Channel).consistent(); err != nil {
		return err
	}
	if err = storeSettings(tx, account, next); err != nil {
		return err
	}
	_, err = audit.Append(tx, audit.Event{Type: "account.settings_changed", Account: account, Actor: by,
		Detail: map[string]string{"settings": next.text()}})
	return err
}

func storeSettings(tx *db.Tx, account string, s Settings) error {
	_, err := tx.Exec(`update accounts set updated_ms = clock_ms(), member_identification = $2, soft_lease_ms = $3, hard_lease_ms = $4,
			heartbeat_ms = $5, max_hold_ms = $6, remind_first_ms = $7, remind_every_ms = $8, remind_at_most = $9, sender_name = $10
		where id = $1`, account, s.MemberIdentification,
		s.SoftLease.Milliseconds(), s.HardLease.Milliseconds(), s.Heartbeat.Milliseconds(), s.MaxHold.Milliseconds(),
		s.RemindFirst.Milliseconds(), s.RemindEvery.Milliseconds(), s.RemindAtMost, s.SenderName)
	return err
}

// text is what is set, for audit events: JSON, with times in nanoseconds.
func (s Settings) text() string {
	text, _ := json.Marshal(s) // numbers and texts only
	return string(text)
}
