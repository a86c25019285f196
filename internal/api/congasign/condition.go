package congasign

import (
	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"countersign.dev/internal/errs"
	"countersign.dev/internal/signing"
)

// maxConditions is how many conditions a field has.
const maxConditions = 100

// checkConditions refuses (Invalid "condition.malformed") what is no list of conditions {id, condition, action}.
func checkConditions(raw jsontext.Value) error {
	if given(raw) == nil {
		return nil
	}
	if err := list.of("fields.conditions", raw); err != nil {
		return err
	}
	var all []struct {
		ID        string `json:"id"`
		Condition string `json:"condition"`
		Action    string `json:"action"`
	}
	if err := jsonv2.Unmarshal(raw, &all); err != nil {
		return badCondition("a condition has the texts id, condition and action").Because(err)
	}
	if len(all) > maxConditions {
		return badCondition("there are too many")
	}
	for _, c := range all {
		if len(c.ID) > 128 || len(c.Condition) > 8000 || !signing.ObeysCondition(c.Condition, c.Action) {
			return badCondition("a condition is written document['D'].field['F'].value == 'X', an action document['D'].field['F'].disabled = true")
		}
	}
	return nil
}

func badCondition(why string) *errs.Error {
	return errs.New(errs.Invalid, "condition.malformed", "The conditions of a field cannot be read: %s.", why).On("fields.conditions")
}
