package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"countersign.dev/internal/directory"
)

// errNothing answers a change that changes nothing: most likely a flag was forgotten.
var errNothing = errors.New("nothing to change: give at least one setting, see --help")

// settingFlags are the settings that partners and accounts have alike. The word
// inherit unsets one: an account then has its partner's again, a partner the server's.
type settingFlags struct {
	MemberIdentification string    `enum:",new browser,always,link,inherit" default:"" help:"When members prove their mailbox by a code: 'new browser' (the server's default), 'always', 'link' (never)."`
	SoftLease            span      `placeholder:"DURATION" help:"How long a member may look at the signing page before touching it (90s)."`
	HardLease            span      `placeholder:"DURATION" help:"How long a lease lives after the last sign of life (15m)."`
	Heartbeat            span      `placeholder:"DURATION" help:"How often the signing page gives one (30s)."`
	MaxHold              span      `placeholder:"DURATION" help:"How long one member may hold while others wait (1h)."`
	RemindFirst          span      `placeholder:"DURATION" help:"How long after the invitation a signer is reminded (72h)."`
	RemindEvery          span      `placeholder:"DURATION" help:"How long after one reminder the next one goes out (72h)."`
	RemindAtMost         reminders `placeholder:"N" help:"How many reminders a signer gets at most: 1 to 10, or none (none)."`
	SenderName           string    `help:"Name shown as the sender in mails and on the signing page."`
	Logo                 string    `placeholder:"FILE" help:"Picture for mails and the signing page, PNG or JPEG, up to 64 KiB; - removes it." type:"path"`
}

func (f *settingFlags) settings() directory.Settings {
	return directory.Settings{MemberIdentification: f.MemberIdentification, SoftLease: time.Duration(f.SoftLease), HardLease: time.Duration(f.HardLease),
		Heartbeat: time.Duration(f.Heartbeat), MaxHold: time.Duration(f.MaxHold), RemindFirst: time.Duration(f.RemindFirst),
		RemindEvery: time.Duration(f.RemindEvery), RemindAtMost: int(f.RemindAtMost), SenderName: f.SenderName}
}

// span is a time that a setting takes; 0 says nothing.
type span time.Duration

// UnmarshalText reads a duration above 0, or inherit.
func (s *span) UnmarshalText(text []byte) error {
	if string(text) == directory.Inherit {
		*s = span(directory.InheritTime)
		return nil
	}
	d, err := time.ParseDuration(string(text))
	if err != nil || d <= 0 {
		return errors.New("want a duration such as 90s, or inherit")
	}
	*s = span(d)
	return nil
}

// reminders is a number of reminders; 0 says nothing.
type reminders int

// UnmarshalText reads a number, none, or inherit.
func (r *reminders) UnmarshalText(text []byte) error {
	switch string(text) {
	case "none":
		*r = directory.NoReminders
		return nil
	case directory.Inherit:
		*r = directory.InheritNumber
		return nil
	}
	n, err := strconv.Atoi(string(text))
	if err != nil || n < 1 {
		return errors.New("want a number from 1, none, or inherit")
	}
	*r = reminders(n)
	return nil
}

// empty reports that nothing is set.
func (f *settingFlags) empty() bool { return *f == settingFlags{} }

// logo is nil when it stays, empty when it goes.
func (f *settingFlags) logo() ([]byte, error) { return fileOrNone(f.Logo) }

// maxFile is more than any file that a setting takes, in bytes; the rooms know how much is too much.
const maxFile = 1 << 20

// fileOrNone is the content of a file, empty for "-", nil for no file.
func fileOrNone(path string) ([]byte, error) {
	switch path {
	case "":
		return nil, nil
	case "-":
		return []byte{}, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err == nil && len(content) == 0 {
		err = fmt.Errorf("%s is empty", path)
	}
	return content, err
}

// settingsLine is the settings that are set, as they are printed.
type settingsLine struct {
	MemberIdentification string `json:"member_identification,omitempty"`
	SoftLease            string `json:"soft_lease,omitempty"`
	HardLease            string `json:"hard_lease,omitempty"`
	Heartbeat            string `json:"heartbeat,omitempty"`
	MaxHold              string `json:"max_hold,omitempty"`
	RemindFirst          string `json:"remind_first,omitempty"`
	RemindEvery          string `json:"remind_every,omitempty"`
	RemindAtMost         int    `json:"remind_at_most,omitempty"`
	SenderName           string `json:"sender_name,omitempty"`
}

func lineOfSettings(s directory.Settings) settingsLine {
	return settingsLine{s.MemberIdentification, brief(s.SoftLease), brief(s.HardLease), brief(s.Heartbeat), brief(s.MaxHold),
		brief(s.RemindFirst), brief(s.RemindEvery), s.RemindAtMost, s.SenderName}
}

// words are the settings in one cell of a table.
func (l settingsLine) words(more ...string) string {
	add := func(name, value string) {
		if value != "" {
			more = append(more, name+" "+value)
		}
	}
	add("identification", l.MemberIdentification)
	add("soft lease", l.SoftLease)
	add("hard lease", l.HardLease)
	add("heartbeat", l.Heartbeat)
	add("max hold", l.MaxHold)
	add("remind first", l.RemindFirst)
	add("every", l.RemindEvery)
	switch {
	case l.RemindAtMost > 0:
		add("at most", strconv.Itoa(l.RemindAtMost))
	case l.RemindAtMost < 0:
		more = append(more, "no reminders")
	}
	add("sender", l.SenderName)
	return orDash(strings.Join(more, ", "))
}

// orDash keeps a cell from being empty.
func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
