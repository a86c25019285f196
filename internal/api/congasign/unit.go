package congasign

import "math"

// perPoint: the surface measures in 1/93.6 inch from the top left of the page
// (OneSpan Sign, Working with fields); a point is 1/72 inch.
const perPoint = 93.6 / 72

// points converts a length of this surface to PDF points.
func points(units float64) float64 { return units / perPoint }

// units converts PDF points to a length of this surface. What points made comes
// back as the number the client sent, so it is rounded to millionths.
func units(points float64) float64 { return math.Round(points*perPoint*1e6) / 1e6 }

// pageUnits are whole, as the vendor gives them: Letter is 796 × 1030.
func pageUnits(points float64) float64 { return math.Round(points * perPoint) }
