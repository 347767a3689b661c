import Telemetry
import Testing

struct MedianTests {
  @Test func itIsInTheMiddleWhateverTheOrder() {
    #expect([Double]().median == nil)
    #expect([3.0].median == 3 && [9.0, 1, 2].median == 2)
    #expect([4.0, 1].median == 2.5 && [10.0, 1, 4, 2].median == 3)
  }
}
