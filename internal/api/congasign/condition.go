package congasign

import (
	"regexp"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"countersign.dev/internal/errs"
)

// maxConditions is how many conditions a field has.
const maxConditions = 100

// The grammar of conditional fields, as the vendor shows it (OneSpan Sign, Conditional fields): terms on values joined by
// && and ||, and one assignment.
var (
	conditionTerm    = `\s*document\['[^']+'\]\.field\['[^']+'\]\.value\s*(?:==|!=)\s*(?:'[^']*'|null)\s*`
	conditionGrammar = regexp.MustCompile(`^` + conditionTerm + `(?:(?:&&|\|\|)` + conditionTerm + `)*$`)
	actionGrammar    = regexp.MustCompile(`^\s*document\['[^']+'\]\.field\['[^']+'\]\.(?:disabled|required)\s*=\s*(?:true|false)\s*$`)
)

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
		if len(c.ID) > 128 || len(c.Condition) > 8000 || !conditionGrammar.MatchString(c.Condition) {
			return badCondition("a condition is written document['D'].field['F'].value == 'X'")
		}
		if !actionGrammar.MatchString(c.Action) {
			return badCondition("an action is written document['D'].field['F'].disabled = true")
		}
	}
	return nil
}

func badCondition(why string) *errs.Error {
	return errs.New(errs.Invalid, "condition.malformed", "The conditions of a field cannot be read: %s.", why).On("fields.conditions")
}
