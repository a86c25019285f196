package congasign

import (
	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"countersign.dev/internal/api"
	"countersign.dev/internal/errs"
)

// maxElements bounds the array of a body that is read element by element.
const maxElements = 1000

// over decodes a body over what is there, so that members that were not sent, or are null, stay as they are.
func over(now any, body []byte, in any) error {
	as, err := jsonv2.Marshal(now)
	if err == nil {
		err = jsonv2.Unmarshal(as, in)
	}
	if err != nil {
		return err // our own answers are read by our own types
	}
	var sent map[string]jsontext.Value
	if err := api.Decode(body, &sent); err != nil {
		return err
	}
	for name, value := range sent {
		if value.Kind() == 'n' {
			delete(sent, name)
		}
	}
	if body, err = jsonv2.Marshal(sent); err != nil {
		return err
	}
	return api.Decode(body, in)
}

// bodyOf is a JSON object that is decoded later, over what is there. A malformed one is refused at once.
func bodyOf(r *api.Request) ([]byte, error) {
	var sent jsontext.Value
	if err := r.JSON(&sent); err != nil {
		return nil, err
	}
	if sent.Kind() != '{' {
		return nil, errs.New(errs.Invalid, "json.type", "The body must be an object.")
	}
	return sent, nil
}

// elementsOf are the objects of a body that is an array, with their ids.
func elementsOf(r *api.Request) (elements [][]byte, ids []string, err error) {
	var sent []jsontext.Value
	if err := r.JSON(&sent); err != nil {
		return nil, nil, err
	}
	if len(sent) > maxElements {
		return nil, nil, errs.New(errs.Invalid, "value.range", "The array has at most %d elements.", maxElements)
	}
	for _, value := range sent {
		var named struct {
			ID string `json:"id"`
		}
		if err := api.Decode(value, &named); err != nil {
			return nil, nil, err
		}
		elements, ids = append(elements, value), append(ids, named.ID)
	}
	return elements, ids, nil
}
