import Bytes
import Testing

struct FNV1aTests {
  /// The values that the hash's authors publish.
  @Test(arguments: [
    ("", 0xCBF2_9CE4_8422_2325 as UInt64), ("a", 0xAF63_DC4C_8601_EC8C), ("foobar", 0x8594_4171_F739_67E8),
  ])
  func textsHaveThePublishedValues(text: String, value: UInt64) { #expect(FNV1a(text.utf8).value == value) }

  @Test func aNumberIsItsBytesTheLowestFirst() {
    var hash = FNV1a()
    hash.add(0x0807_0605_0403_0201 as UInt64)
    #expect(hash.value == FNV1a([1, 2, 3, 4, 5, 6, 7, 8]).value)
  }
}
