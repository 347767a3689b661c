import JSON
import Testing

struct NearestNameTests {
  @Test(arguments: [
    ("temprature", "temperature"), ("Top_P", "top_p"), ("max_tokesn", "max_tokens"), ("sed", "seed"),
    ("see", "seed"), ("x", nil), ("tooooools", nil), ("", nil), (String(repeating: "t", count: 65), nil),
  ])
  func isWhatAFewSlipsAwayIsKnown(name: String, known: String?) {
    #expect(
      NearestName.of(name, among: ["temperature", "top_p", "max_tokens", "seed", "tools"]) == known)
  }
}
