package congasign

import (
	"net/http"

	"countersign.dev/internal/api"
	"countersign.dev/internal/authz"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/signing"
)

// reminderRoutes are the operations on reminders.
func (s *surface) reminderRoutes() []api.Route {
	const path = "/packages/{package}/reminders"
	return []api.Route{
		{Method: "GET", Path: path, Right: authz.Sign, Handle: s.getReminders},
		{Method: "POST", Path: path, Right: authz.Sign, Handle: s.setReminders},
		{Method: "PUT", Path: path, Right: authz.Sign, Handle: s.setReminders},
		{Method: "DELETE", Path: path, Right: authz.Sign, Handle: s.deleteReminders},
	}
}

// remindersIn is a schedule as clients send it; the dates are the server's.
type remindersIn struct {
	PackageID *string `json:"packageId"`
	Start     *int    `json:"startInDaysDelay"`
	Interval  *int    `json:"intervalInDays"`
	Count     *int    `json:"repetitionsCount"`
}

type remindersOut struct {
	PackageID string        `json:"packageId"`
	Start     int           `json:"startInDaysDelay"`
	Interval  int           `json:"intervalInDays"`
	Count     int           `json:"repetitionsCount"`
	Reminders []reminderOut `json:"reminders"`
}

type reminderOut struct {
	Date     date  `json:"date"`
	SentDate *date `json:"sentDate"`
}

func wordReminders(pkg string, in signing.ReminderSchedule) remindersOut {
	out := remindersOut{PackageID: pkg, Start: in.StartDays, Interval: in.EveryDays, Count: in.Most, Reminders: []reminderOut{}}
	for _, r := range in.Reminders {
		out.Reminders = append(out.Reminders, reminderOut{Date: date(r.Date), SentDate: when(r.Sent)})
	}
	return out
}

// getReminders answers 204 for a package without a schedule of its own.
func (s *surface) getReminders(r *api.Request) (api.Answer, error) {
	found, err := s.signing.Reminders(r.Context(), r.Principal, r.Path("package"))
	if err != nil || found == nil {
		return api.Answer{Status: http.StatusNoContent}, err
	}
	return api.Answer{JSON: wordReminders(r.Path("package"), *found)}, nil
}

// setReminders makes or replaces a schedule. What is not given is the vendor's default, one.
func (s *surface) setReminders(r *api.Request) (api.Answer, error) {
	var in remindersIn
	if err := r.JSON(&in); err != nil {
		return api.Answer{}, err
	}
	pkg := r.Path("package")
	if id := or(in.PackageID, ""); id != "" && id != pkg {
		return api.Answer{}, errs.New(errs.Invalid, "reminder.package", "packageId is another package's than the path's.").On("packageId")
	}
	out, err := s.signing.SetReminders(r.Context(), r.Principal, pkg,
		signing.ReminderSchedule{StartDays: or(in.Start, 1), EveryDays: or(in.Interval, 1), Most: or(in.Count, 1)})
	return api.Answer{JSON: wordReminders(pkg, out)}, err
}

func (s *surface) deleteReminders(r *api.Request) (api.Answer, error) {
	return noContent(s.signing.DeleteReminders(r.Context(), r.Principal, r.Path("package")))
}
