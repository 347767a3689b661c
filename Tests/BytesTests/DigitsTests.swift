import Bytes
import Testing

struct DigitsTests {
  @Test func numbersHaveAsManyDigitsAsAreAskedForOrMore() {
    #expect(Digits.padded(7, to: 3) == "007" && Digits.padded(1234, to: 3) == "1234")
    #expect(Digits.hexadecimal(0xAB0) == "0000000000000ab0" && Digits.hexadecimal(UInt64.max) == "ffffffffffffffff")
    #expect(
      Digits.hexadecimal(UInt8(10), count: 4) == "000a" && Digits.hexadecimal(UInt32(0x12345), count: 4) == "12345")
  }

  @Test func bytesAreReadAsTheyWereWritten() {
    let all = (UInt8.min...UInt8.max).map { $0 }
    #expect(Digits.hexadecimal(all).hasPrefix("000102") && Digits.hexadecimal(all).hasSuffix("fdfeff"))
    #expect(Digits.bytes(hexadecimal: Digits.hexadecimal(all).utf8) == all)
    #expect(Digits.bytes(hexadecimal: "".utf8) == [])
  }

  @Test(arguments: ["0", "abc", "0g", "+1", "AB", "0x10", " 1", "1 ", "é"])
  func whatIsNotWrittenSoIsNoBytes(text: String) { #expect(Digits.bytes(hexadecimal: text.utf8) == nil) }
}
