/// Server-sent events (HTML Standard, 9.2.6), out of bytes that arrive in pieces of any size.
///
/// Names, ids and comments are passed over: only data counts here. What follows the last blank line is no event.
package struct EventStreamParser: Sendable {
  /// An event whose data is longer than its reader allows.
  package struct TooLong: Error, Equatable {
    package let limit: Int
    package init(limit: Int) { self.limit = limit }
  }

  private let limit: Int
  private var line: [UInt8] = []
  private var data: [UInt8]?
  private var endedWithReturn = false
  private var isFirstLine = true

  package init(limit: Int = 4 << 20) { self.limit = limit }

  /// Takes the next bytes, and returns the data of the events that they complete.
  package mutating func append(_ bytes: some Sequence<UInt8>) throws(TooLong) -> [[UInt8]] {
    var events: [[UInt8]] = []
    for byte in bytes {
      defer { endedWithReturn = byte == 13 }
      if byte == 10, endedWithReturn { continue }
      guard byte == 10 || byte == 13 else {
        guard line.count + (data?.count ?? 0) < limit else { throw TooLong(limit: limit) }
        line.append(byte)
        continue
      }
      if let event = takeLine() { events.append(event) }
    }
    return events
  }

  private mutating func takeLine() -> [UInt8]? {
    if isFirstLine, line.starts(with: [0xEF, 0xBB, 0xBF]) { line.removeFirst(3) }
    isFirstLine = false
    defer { line.removeAll(keepingCapacity: true) }
    if line.isEmpty {
      defer { data = nil }
      return data
    }
    guard line.starts(with: Array("data".utf8)), line.count == 4 || line[4] == UInt8(ascii: ":") else { return nil }
    var value = line.dropFirst(5)
    if value.first == 32 { value = value.dropFirst() }
    data = data.map { $0 + [10] + value } ?? Array(value)
    return nil
  }
}
