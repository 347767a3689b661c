import Bytes
import Testing

struct MessageTests {
  @Test func everyFieldComesBackWithItsBits() throws {
    let odd = Double(bitPattern: 0x7FF8_0000_0000_1234)
    var writer = ByteWriter()
    writer.write(UInt8(200))
    writer.write(Float(-0.0))
    writer.write(odd)
    writer.write([-1, Int32.max])
    writer.write("é")
    var reader = ByteReader(writer.bytes)
    #expect(try reader.read(UInt8.self) == 200)
    #expect(try reader.readFloat().bitPattern == Float(-0.0).bitPattern)
    #expect(try reader.readDouble().bitPattern == odd.bitPattern)
    #expect(try reader.readInts() == [-1, .max])
    #expect(try reader.readText() == "é" && reader.isAtEnd)
  }

  @Test func aMessageThatIsCutAnywhereIsAnError() {
    var writer = ByteWriter()
    writer.write(1.5)
    writer.write([1, 2, 3])
    for count in writer.bytes.indices {
      var reader = ByteReader(Array(writer.bytes[..<count]))
      #expect(throws: TruncatedMessage.self) {
        _ = try reader.readDouble()
        _ = try reader.readInts()
      }
    }
  }
}
