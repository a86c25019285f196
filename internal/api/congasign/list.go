package congasign

import (
	"strconv"

	"countersign.dev/internal/api"
	"countersign.dev/internal/errs"
)

// window reads from and to, which count from 1 and are inclusive; 0 is not
// given. Invalid "query.range".
func window(r *api.Request) (from, to int, err error) {
	for name, n := range map[string]*int{"from": &from, "to": &to} {
		text := r.Query(name)
		if text == "" {
			continue
		}
		if *n, err = strconv.Atoi(text); err != nil || *n < 1 {
			return 0, 0, badRange()
		}
	}
	if from != 0 && to != 0 && to < from {
		return 0, 0, badRange()
	}
	return from, to, nil
}

func badRange() error {
	return errs.New(errs.Invalid, "query.range", "from and to are numbers from 1, and to is not before from.").On("from")
}

// badQuery refuses a value of a query parameter that has no meaning.
func badQuery(name string) error {
	return errs.New(errs.Invalid, "query.value", "The value of the parameter %s is not known.", name).On(name)
}
