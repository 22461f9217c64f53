// Written for this project. What it says does not matter; that it has many kinds of text does.
#include "model/calibration.hpp"

namespace troupe::model {

const std::string_view kCalibrationText =
    R"text(The harbour was quiet before six. Marta unlocked the
shed, lit the lamp, and counted the crates that the night boat had left: forty-one of mackerel,
nine of crab, and one, unmarked, that moved when she put her hand on the lid. "You are early,"
said the old man behind her. "So is your cargo," she answered, and neither of them laughed.

By noon the wind had turned to the north-west and the price of ice had doubled. The ferry company
announced that its 14:30 departure to the islands would be delayed by at least 2 hours; passengers
were advised to keep their tickets, since connections on the mainland could be rebooked without a
fee until 23:59 on Thursday. A child asked why the sea was grey when the map showed it blue.

# Notes on soil

Clay holds water because its particles are small: a gram of it may have a surface of 100 square
metres. Sand drains in minutes, silt in hours. Most gardens need neither more clay nor more sand
but organic matter, about 5 % by weight, which binds the one and feeds the other. Three rules:

1. Never dig wet ground. It sets like brick.
2. Cover bare earth in winter, with leaves, straw, or a green crop such as rye or vetch.
3. Measure the acidity before you add lime; between pH 6.0 and 7.0 nearly everything grows.

| crop    | sow       | distance | days to harvest |
|---------|-----------|----------|-----------------|
| carrot  | April     | 5 cm     | 70-80           |
| bean    | May, June | 15 cm    | 60              |
| cabbage | March     | 45 cm    | 120             |

In 1854 John Snow removed the handle of a pump in Broad Street, London. The outbreak of cholera was
already fading, but his map of 578 deaths changed how physicians thought about water. Statistics,
he showed, can see what a microscope cannot. Half a century later the same argument, that disease
follows pipes rather than smells, rebuilt the sewers of Hamburg, Paris and Chicago.

```python
from dataclasses import dataclass
from typing import Iterator


@dataclass(frozen=True)
class Interval:
    low: float
    high: float

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError(f"empty interval: [{self.low}, {self.high}]")

    def overlaps(self, other: "Interval") -> bool:
        return self.low <= other.high and other.low <= self.high


def merge(intervals: list[Interval]) -> Iterator[Interval]:
    """Yield the union of `intervals`, in ascending order."""
    current = None
    for item in sorted(intervals, key=lambda i: i.low):
        if current is None or not current.overlaps(item):
            if current is not None:
                yield current
            current = item
        else:
            current = Interval(current.low, max(current.high, item.high))
    if current is not None:
        yield current


if __name__ == "__main__":
    print(list(merge([Interval(1, 3), Interval(2, 5), Interval(8, 9)])))
```

```cpp
template <typename Key, typename Value>
class LeastRecentlyUsed {
 public:
  explicit LeastRecentlyUsed(std::size_t capacity) : capacity_(capacity) {}

  const Value* find(const Key& key) {
    auto found = index_.find(key);
    if (found == index_.end()) return nullptr;
    order_.splice(order_.begin(), order_, found->second);
    return &found->second->second;
  }

  void insert(Key key, Value value) {
    if (index_.size() == capacity_) {
      index_.erase(order_.back().first);
      order_.pop_back();
    }
    order_.emplace_front(std::move(key), std::move(value));
    index_[order_.front().first] = order_.begin();
  }

 private:
  std::size_t capacity_;
  std::list<std::pair<Key, Value>> order_;
  std::unordered_map<Key, typename std::list<std::pair<Key, Value>>::iterator> index_;
};
```

```sql
SELECT c.name, COUNT(*) AS orders, SUM(o.total_cents) / 100.0 AS euros
FROM customers c JOIN orders o ON o.customer_id = c.id
WHERE o.placed_at >= '2024-01-01' AND o.status <> 'cancelled'
GROUP BY c.name HAVING COUNT(*) > 3 ORDER BY euros DESC LIMIT 20;
```

User: Can you explain what a hash table is, as if I were twelve?
Assistant: Imagine a wall of a hundred numbered lockers. To store a book, you turn its title into a
number from 0 to 99, always in the same way, and put the book in that locker. To find it again you
work out the same number and open one door instead of a hundred. Sometimes two titles give the same
number; then you keep both books in that locker and look at each. When the lockers get crowded, you
move everything to a bigger wall.
User: And why is it fast?
Assistant: Because the time to compute the number does not depend on how many books there are.

春天来得很晚。三月底,山上的雪还没有化,村里的人却已经开始修理农具。王老师带着十二个学生去河边测量水位,
孩子们把数字写在本子上:一月四十二厘米,二月三十八厘米,三月六十一厘米。“为什么三月最高?”他问。
一个女孩想了想,说:“因为雪在山顶慢慢变成了水。”老师点点头,让大家把图画在黑板上。
机器学习模型通常先在大量文本上训练,然后根据具体任务进行微调;推理时需要考虑延迟、吞吐量和内存占用。
请用一句话总结上面的内容,并列出两个优点和一个缺点。

The train to Lyon leaves at 7.42 from platform 9. Le train pour Lyon part à 7 h 42, voie 9. Der Zug
nach Lyon fährt um 7.42 Uhr von Gleis 9 ab. El tren a Lyon sale a las 7:42 del andén 9.

{"id": 1842, "type": "sensor", "location": {"lat": 59.3293, "lon": 18.0686}, "readings": [
  {"at": "2025-02-11T06:00:00Z", "celsius": -4.25, "humidity": 0.81},
  {"at": "2025-02-11T07:00:00Z", "celsius": -3.75, "humidity": 0.79}], "ok": true, "note": null}

$ git log --oneline -3
a41c9e2 Fix the off-by-one in the page cache
77d0b15 Add a test for empty input
0e3f8aa Bump version to 2.4.1
$ make -j8 && ./run_tests --filter 'cache*'
[==========] 14 tests ran. (212 ms total)
error: expected ';' after expression at line 88, column 17

Theorem. There are infinitely many primes. Proof. Suppose p1, p2, ..., pn were all of them, and let
N = p1 * p2 * ... * pn + 1. Some prime q divides N. If q were one of the pi, it would divide both N
and N - 1, hence 1, which is impossible. So q is a prime that the list lacks. ∎

If f(x) = 3x^2 - 12x + 7, then f'(x) = 6x - 12, which is zero at x = 2; there f(2) = 12 - 24 + 7 =
-5. Since the second derivative is 6 > 0, this is a minimum. The area of a circle of radius 2.5 m is
about 19.63 m²; a tank of that base and a height of 1.2 m holds some 23.6 m³, or 23,600 litres.

The committee met on 4 November. Present: Dr Okafor (chair), Ms Lindqvist, Mr Tanaka; apologies from
Prof. Alvarez. Item 1, the budget: expenditure to date is €182,400 of €240,000; the overspend on
travel (+12 %) is offset by a vacancy. Item 2, the new laboratory: the contractor asked for a
further six weeks, citing late delivery of fume hoods. It was AGREED to accept four. Item 3, any
other business: none. The meeting closed at 16:05.

She had not meant to keep the letter. It lay under the bread knife for a week, then under the clock,
then in the drawer with the string and the dead batteries, and by the time the snow came she knew it
by heart: Dear Anna, the roof is finished, the dog is well, and I have decided not to come home.
There was no anger in it. That, she thought, was how you could tell that it was true.

Why do cats purr? Nobody is certain. The sound comes from muscles of the larynx that open and close
the glottis some 25 to 150 times a second, while breathing in as well as out. Kittens purr when they
feed, adults when they are content, but also when they are hurt, which suggests that it comforts the
cat as much as it pleases us. Lions and tigers, whose throats are built for roaring, cannot do it.

To make a simple bread, mix 500 g of flour, 10 g of salt, 5 g of dry yeast and 350 ml of lukewarm
water. Knead for ten minutes, until the dough is smooth; cover it and let it rise for an hour. Shape
it, wait another half an hour, and bake at 230 °C for 35 minutes with a cup of water on the oven's
floor. Tap the bottom: if it sounds hollow, the bread is done. Let it cool before you cut it!
)text";

}  // namespace troupe::model
