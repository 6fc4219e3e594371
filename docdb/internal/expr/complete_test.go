package expr_test

import (
	"strings"
	"testing"

	"regent/docdb/internal/expr"
)

// promised are the expressions that mongo-engine.md §2.6 tags must or should.
const promised = `
$abs $add $ceil $divide $exp $floor $ln $log $log10 $mod $multiply $pow $round $sqrt $subtract $trunc
$arrayElemAt $arrayToObject $concatArrays $filter $first $firstN $in $indexOfArray $isArray $last $lastN $map $maxN $minN $objectToArray
$range $reduce $reverseArray $size $slice $sortArray $zip
$and $or $not $cmp $eq $ne $gt $gte $lt $lte $cond $ifNull $switch
$dateAdd $dateSubtract $dateDiff $dateTrunc $dateFromParts $dateToParts $dateFromString $dateToString $dayOfMonth $dayOfWeek $dayOfYear
$hour $isoDayOfWeek $isoWeek $isoWeekYear $millisecond $minute $month $second $week $year
$concat $indexOfBytes $indexOfCP $ltrim $rtrim $trim $regexFind $regexFindAll $regexMatch $replaceOne $replaceAll $split $strLenBytes
$strLenCP $strcasecmp $substr $substrBytes $substrCP $toLower $toUpper $toString
$convert $isNumber $toBool $toDate $toDecimal $toDouble $toInt $toLong $toObjectId $type $toUUID
$mergeObjects $getField $setField $unsetField $let $literal $meta
$allElementsTrue $anyElementTrue $setDifference $setEquals $setIntersection $setIsSubset $setUnion $rand $bsonSize $binarySize
$sin $cos $tan $asin $acos $atan $atan2 $sinh $cosh $tanh $asinh $acosh $atanh $degreesToRadians $radiansToDegrees
$bitAnd $bitOr $bitXor $bitNot $sum $avg $min $max $stdDevPop $stdDevSamp $median $percentile $tsSecond $tsIncrement $sigmoid`

func TestEveryPromisedOperator(t *testing.T) {
	for _, name := range strings.Fields(promised) {
		if !expr.IsOperator(name) {
			t.Errorf("%s is missing", name)
		}
	}
	for _, op := range expr.Operators() {
		if op.Help == "" || op.Family == "" {
			t.Errorf("%s has no help", op.Name)
		}
	}
}
