package console

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// settingLine is one setting in a form, with what holds now and why.
type settingLine struct {
	input
	Unit  string // of a time
	Units []choice
	Holds string
	Why   string
}

// settingField says how a setting is shown.
type settingField struct {
	name, title, help string
	choices           []choice // of one that is chosen
	time              func(*directory.Settings) *time.Duration
	text              func(*directory.Settings) *string
}

var identification = []choice{{"", "Inherit"}, {directory.Link, "The personal link is enough"}, {directory.NewBrowser, "A code in a browser that is new"}, {directory.Always, "A code for every package"}}

var reminders = []choice{{"", "Inherit"}, {"0", "None"}, {"1", "1"}, {"2", "2"}, {"3", "3"}, {"4", "4"}, {"5", "5"}, {"6", "6"}, {"7", "7"}, {"8", "8"}, {"9", "9"}, {"10", "10"}}

// settingFields are all settings in the order in which they are shown.
var settingFields = []settingField{
	{name: "sender_name", title: "Sender name", help: "Whom mails and signing pages name.", text: func(s *directory.Settings) *string { return &s.SenderName }},
	{name: "member_identification", title: "How members of a group prove their mailbox", choices: identification, text: func(s *directory.Settings) *string { return &s.MemberIdentification }},
	{name: "soft_lease", title: "Looking without touching", help: "How long a member may look at a package of the group before doing something; 1 second to 24 hours.", time: func(s *directory.Settings) *time.Duration { return &s.SoftLease }},
	{name: "hard_lease", title: "Turn after the last sign of life", help: "How long it stays a member’s turn; 1 second to 24 hours.", time: func(s *directory.Settings) *time.Duration { return &s.HardLease }},
	{name: "heartbeat", title: "Signs of life", help: "How often the signing page gives one; shorter than the turn.", time: func(s *directory.Settings) *time.Duration { return &s.Heartbeat }},
	{name: "max_hold", title: "Longest turn while others wait", help: "1 second to 24 hours.", time: func(s *directory.Settings) *time.Duration { return &s.MaxHold }},
	{name: "remind_at_most", title: "Reminders for each signer", choices: reminders},
	{name: "remind_first", title: "First reminder after", help: "1 minute to 90 days.", time: func(s *directory.Settings) *time.Duration { return &s.RemindFirst }},
	{name: "remind_every", title: "Then every", help: "1 minute to 90 days.", time: func(s *directory.Settings) *time.Duration { return &s.RemindEvery }},
}

var units = []struct {
	name, one, many string
	length          time.Duration
}{{"days", "day", "days", 24 * time.Hour}, {"hours", "hour", "hours", time.Hour}, {"minutes", "minute", "minutes", time.Minute}, {"seconds", "second", "seconds", time.Second}}

// unitOf is the largest unit in which a time is a whole number, else seconds.
func unitOf(d time.Duration) (amount, unit, words string) {
	for _, u := range units {
		if d%u.length == 0 || u.length == time.Second {
			amount = strconv.FormatFloat(float64(d)/float64(u.length), 'f', -1, 64)
			words = amount + " " + u.many
			if amount == "1" {
				words = amount + " " + u.one
			}
			return amount, u.name, words
		}
	}
	return "", "", ""
}

// settingsForm is a form with what is set.
func settingsForm(s directory.Settings) form {
	f := filled()
	for _, field := range settingFields {
		switch {
		case field.time != nil:
			_, unit, _ := unitOf(*field.time(&directory.Defaults))
			f.Values.Set(field.name+"_unit", unit)
			if d := *field.time(&s); d != 0 {
				amount, unit, _ := unitOf(d)
				f.Values.Set(field.name, amount)
				f.Values.Set(field.name+"_unit", unit)
			}
		case field.text != nil:
			f.Values.Set(field.name, *field.text(&s))
		case s.RemindAtMost != 0:
			f.Values.Set(field.name, strconv.Itoa(max(s.RemindAtMost, 0)))
		}
	}
	return f
}

// settingLines are the settings of a form: what is set here, in own, what stands above it, and what holds.
func settingLines(f form, own, above, holds directory.Settings) (out []settingLine) {
	for _, field := range settingFields {
		kind := "text"
		switch {
		case field.choices != nil:
			kind = "select"
		case field.time != nil:
			kind = "number"
		}
		l := settingLine{input: fieldOf(f, field, kind), Holds: field.words(&holds), Unit: f.Get(field.name + "_unit")}
		if field.time != nil {
			for _, u := range units {
				l.Units = append(l.Units, choice{u.name, u.many})
			}
		}
		mine, parent := field.words(&own), field.words(&above)
		switch {
		case mine != "" && mine == l.Holds:
			l.Why = "set here"
		case mine != "":
			l.Why = "narrowed by the partner’s channel"
		case parent != "" && parent == l.Holds:
			l.Why = "from the partner’s channel"
		case l.Holds != "":
			l.Why = "the server’s default"
		}
		out = append(out, l)
	}
	return out
}

func fieldOf(f form, field settingField, kind string) input {
	in := selection(f, field.name, field.title, field.choices, "help="+field.help, "max=200")
	in.Kind = kind
	return in
}

// words of a setting; "" when it is not set.
func (f settingField) words(s *directory.Settings) string {
	switch {
	case f.time != nil:
		if d := *f.time(s); d != 0 {
			_, _, words := unitOf(d)
			return words
		}
		return ""
	case f.choices == nil:
		return *f.text(s)
	}
	value := ""
	switch {
	case f.text != nil:
		value = *f.text(s)
	case s.RemindAtMost != 0:
		value = strconv.Itoa(max(s.RemindAtMost, 0))
	}
	for _, c := range f.choices {
		if c.Value == value && value != "" {
			return c.Title
		}
	}
	return ""
}

// settings are those of the form that was sent; what is empty is inherited again. Invalid "settings.range".
func (v *visit) settings() (s directory.Settings, err error) {
	for _, field := range settingFields {
		text := v.value(field.name)
		switch {
		case field.time != nil:
			*field.time(&s), err = timeSetting(field.name, text, v.value(field.name+"_unit"))
		case field.text != nil:
			*field.text(&s) = orElse(text, directory.Inherit)
		default:
			s.RemindAtMost, err = reminderSetting(text)
		}
		if err != nil {
			return s, err
		}
	}
	return s, nil
}

func timeSetting(name, text, unit string) (time.Duration, error) {
	if text == "" {
		return directory.InheritTime, nil
	}
	amount, err := strconv.ParseFloat(text, 64)
	for _, u := range units {
		if d := amount * float64(u.length); err == nil && u.name == unit && d >= float64(time.Millisecond) && d < float64(math.MaxInt64/2) {
			return time.Duration(d).Round(time.Millisecond), nil
		}
	}
	return 0, errs.New(errs.Invalid, "settings.range", "The setting %s is out of its range.", name).On(name)
}

func reminderSetting(text string) (int, error) {
	if text == "" {
		return directory.InheritNumber, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > 10 {
		return 0, errs.New(errs.Invalid, "settings.range", "The setting remind_at_most is out of its range.").On("remind_at_most")
	}
	if n == 0 {
		return directory.NoReminders, nil
	}
	return n, nil
}

// settingProblem says what was wrong with a setting by the name that its form gives it.
func settingProblem(err error, f form) form {
	e, ok := errors.AsType[*errs.Error](err)
	if !ok || e.What != "settings.range" && e.What != "settings.wider" {
		return f
	}
	for _, field := range settingFields {
		if field.name != e.Field {
			continue
		}
		f.Problem = fmt.Sprintf("“%s” is out of its range. %s", field.title, field.help)
		if e.What == "settings.wider" {
			f.Problem = fmt.Sprintf("“%s” would go beyond what the partner’s channel allows.", field.title)
		}
	}
	return f
}
