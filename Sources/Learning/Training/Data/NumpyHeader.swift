import Checkpoints

/// The header of a `.npy` file (NumPy's `numpy.lib.format`): the six bytes `\x93NUMPY`, a version of two bytes, the
/// length of the rest (two bytes in version 1, four in 2 and 3), and a Python dictionary with `descr`, `fortran_order`
/// and `shape`.
struct NumpyHeader {
  let element: ShardTokens.Element
  let rows: Int
  let length: Int
  /// Where the elements begin.
  let byteCount: Int

  private static let limit = 64 << 10

  /// Reads and checks it, and the size of the file.
  init(_ file: InputFile) throws {
    func damaged(_ reason: String) -> DataError { .notAnArray(file: file.path, reason: reason) }
    guard file.byteCount >= 10 else { throw damaged("it has \(file.byteCount) bytes") }
    let start = try Self.bytes(file, 0..<10)
    guard start[..<6] == [0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59] else {
      throw damaged("it does not begin with \\x93NUMPY")
    }
    guard (1...3).contains(start[6]) else { throw damaged("its format has version \(start[6])") }
    var headerStart = 10
    var count = Int(start[8]) | Int(start[9]) << 8
    if start[6] > 1 {
      guard file.byteCount >= 12 else { throw damaged("it has \(file.byteCount) bytes") }
      let more = try Self.bytes(file, 10..<12)
      count |= Int(more[0]) << 16 | Int(more[1]) << 24
      headerStart = 12
    }
    guard count <= Self.limit, headerStart + count <= file.byteCount else {
      throw damaged("its header has \(count) bytes")
    }
    let text = String(decoding: try Self.bytes(file, headerStart..<(headerStart + count)), as: UTF8.self)
    let dictionary = PythonDictionary(text)
    guard let type = dictionary["descr"], let order = dictionary["fortran_order"], let shape = dictionary["shape"]
    else {
      throw damaged("its header lacks descr, fortran_order or shape")
    }
    element = try Self.element(type, file.path)
    guard let dimensions = Self.dimensions(shape) else { throw damaged("its shape is \(shape.debugDescription)") }
    guard (1...2).contains(dimensions.count), order == "False" || dimensions.count == 1 else {
      throw DataError.wrongShape(file: file.path, found: order == "False" ? shape : "\(shape) in Fortran order")
    }
    (rows, length) = dimensions.count == 1 ? (1, dimensions[0]) : (dimensions[0], dimensions[1])
    byteCount = headerStart + count
    let (elements, overflows) = rows.multipliedReportingOverflow(by: length)
    let (bytes, overflowsToo) = elements.multipliedReportingOverflow(by: element.byteCount)
    let (end, overflowsStill) = bytes.addingReportingOverflow(byteCount)
    guard !overflows, !overflowsToo, !overflowsStill else { throw damaged("its shape is \(shape.debugDescription)") }
    guard end == file.byteCount else {
      throw DataError.wrongSize(file: file.path, expected: end, found: file.byteCount)
    }
  }

  private static func bytes(_ file: InputFile, _ range: Range<Int>) throws -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: range.count)
    try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: range.lowerBound) }
    return bytes
  }

  private static func element(_ type: String, _ path: String) throws(DataError) -> ShardTokens.Element {
    switch type {
    case "<u2": .uint16
    case "<i4": .int32
    case "<u4": .uint32
    case "<i8": .int64
    default: throw .wrongElements(file: path, found: type)
    }
  }

  /// `(3,)` or `(3, 4)`.
  private static func dimensions(_ text: String) -> [Int]? {
    guard text.hasPrefix("("), text.hasSuffix(")") else { return nil }
    var dimensions: [Int] = []
    for part in text.dropFirst().dropLast().split(separator: ",") {
      let digits = part.drop { $0 == " " }
      guard !digits.isEmpty, digits.utf8.allSatisfy({ (48...57).contains($0) }), let number = Int(digits) else {
        return nil
      }
      dimensions.append(number)
    }
    return dimensions
  }
}

/// The members of a flat Python dictionary of strings, words and tuples, as NumPy writes it; what is spelt otherwise is
/// not found.
private struct PythonDictionary {
  private var members: [String: String] = [:]

  init(_ text: String) {
    let trimmed = text.filter { $0 != "\n" }.drop { $0 == " " }
    guard trimmed.hasPrefix("{"), let end = trimmed.lastIndex(of: "}") else { return }
    var key = ""
    var value = ""
    var depth = 0
    var afterColon = false
    func unquoted(_ text: String) -> String {
      let word = text.drop { $0 == " " }
      let whole = String(word.reversed().drop { $0 == " " }.reversed())
      guard whole.count >= 2, let first = whole.first, first == "'" || first == "\"", whole.last == first else {
        return whole
      }
      return String(whole.dropFirst().dropLast())
    }
    for character in trimmed[trimmed.index(after: trimmed.startIndex)..<end] {
      switch character {
      case "(": depth += 1
      case ")": depth -= 1
      case ":" where depth == 0 && !afterColon:
        afterColon = true
        continue
      case "," where depth == 0:
        members[unquoted(key)] = unquoted(value)
        (key, value, afterColon) = ("", "", false)
        continue
      default: break
      }
      if afterColon { value.append(character) } else { key.append(character) }
    }
    if afterColon { members[unquoted(key)] = unquoted(value) }
  }

  subscript(key: String) -> String? { members[key] }
}
