/// Reading well-formed UTF-8 as it lies in memory.
enum UTF8Text {
  /// The scalar at `position` of well-formed UTF-8, stepping over it.
  static func scalarValue(_ text: UnsafeBufferPointer<UInt8>, _ position: inout Int) -> UInt32 {
    let lead = UInt32(text[position])
    let length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4
    var value = length == 1 ? lead : lead & (0x7F >> UInt32(length))
    for i in 1..<length { value = value << 6 | UInt32(text[position + i] & 0x3F) }
    position += length
    return value
  }
}
