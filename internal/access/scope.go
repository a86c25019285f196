package access

import (
	"slices"

	"countersign.dev/internal/errs"
)

// Scope is what a grant applies to: numbers of organisations, legal entities and contract types of the account. A nil
// list is all of them; an empty one is not allowed.
type Scope struct {
	Organizations []int64 `json:"organizationIds,omitempty"`
	LegalEntities []int64 `json:"legalEntityIds,omitempty"`
	ContractTypes []int64 `json:"contractTypeIds,omitempty"`
}

// All reports that the scope limits nothing.
func (s Scope) All() bool {
	return s.Organizations == nil && s.LegalEntities == nil && s.ContractTypes == nil
}

// Covers reports that whatever is in t is in s.
func (s Scope) Covers(t Scope) bool {
	return contains(s.Organizations, t.Organizations) && contains(s.LegalEntities, t.LegalEntities) &&
		contains(s.ContractTypes, t.ContractTypes)
}

// Equal reports the same scope; the lists are sorted.
func (s Scope) Equal(t Scope) bool { return s.Covers(t) && t.Covers(s) }

func contains(list, other []int64) bool {
	if list == nil {
		return true
	}
	return other != nil && !slices.ContainsFunc(other, func(n int64) bool { return !slices.Contains(list, n) })
}

// Within is what is in both; ok is false when that is nothing.
func (s Scope) Within(t Scope) (both Scope, ok bool) {
	var a, b, c bool
	both.Organizations, a = common(s.Organizations, t.Organizations)
	both.LegalEntities, b = common(s.LegalEntities, t.LegalEntities)
	both.ContractTypes, c = common(s.ContractTypes, t.ContractTypes)
	return both, a && b && c
}

func common(list, other []int64) ([]int64, bool) {
	if list == nil {
		return other, true
	}
	if other == nil {
		return list, true
	}
	var both []int64
	for _, n := range list {
		if slices.Contains(other, n) {
			both = append(both, n)
		}
	}
	return both, both != nil
}

// maxScope bounds each list of a scope.
const maxScope = 1000

// clean sorts the lists, each number once. Invalid "scope.empty", "scope.too_large".
func (s Scope) clean() (Scope, error) {
	for _, l := range []struct {
		field string
		list  *[]int64
	}{{"organizationIds", &s.Organizations}, {"legalEntityIds", &s.LegalEntities}, {"contractTypeIds", &s.ContractTypes}} {
		if *l.list == nil {
			continue
		}
		if len(*l.list) == 0 {
			return s, errs.New(errs.Invalid, "scope.empty", "%s must not be empty; leave it out for all of them.", l.field).On(l.field)
		}
		if len(*l.list) > maxScope {
			return s, errs.New(errs.Invalid, "scope.too_large", "%s has at most %d numbers.", l.field, maxScope).On(l.field)
		}
		sorted := slices.Clone(*l.list)
		slices.Sort(sorted)
		*l.list = slices.Compact(sorted)
	}
	return s, nil
}
