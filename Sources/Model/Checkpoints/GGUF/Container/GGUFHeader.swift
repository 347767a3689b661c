import JSON

/// A tensor as a GGUF header lists it.
struct GGUFTensor: Sendable {
  let name: String
  let type: GGMLType
  /// Slowest dimension first, as others have it: GGUF lists them the other way round.
  let shape: [Int]
  /// From the start of the file.
  let byteOffset: Int
  let byteCount: Int
}

/// What stands before the data of a GGUF file: its metadata and its table of tensors.
///
/// Layout: `GGUF`, the version (32 bits), counts of tensors and of keys (64 bits each); for each key a string (its
/// length in 64 bits and its bytes), the value's type (32 bits) and the value; for each tensor its name, its number of
/// dimensions (32 bits), the dimensions (64 bits each, fastest first), its type (32 bits) and its offset (64 bits) in
/// the data, which begin at the next multiple of `general.alignment`. Tensors begin at multiples of it too.
///
/// Refused: names that are empty, given twice or no UTF-8, tensors that overlap, are misaligned or lie past the file's
/// end, types that GGML does not define, rows that are no whole blocks, and every count that the file has no room for.
struct GGUFHeader: Sendable {
  static let maximumAlignment = 1 << 20
  private static let keyLimit = 1 << 16
  private static let dimensionLimit = 4

  private(set) var metadata: GGUFMetadata
  /// In the order of their data.
  private(set) var tensors: [GGUFTensor] = []
  /// SHA-256 of the header's bytes and the file's size.
  let digest: [UInt8]

  init(_ file: InputFile, limits: CheckpointLimits) throws(CheckpointError) {
    var scanner = GGUFScanner(file, limit: limits.headerByteCount)
    let (tensorCount, keyCount) = try Self.beginning(&scanner, limits)
    metadata = GGUFMetadata(path: file.path)
    for _ in 0..<keyCount {
      let key = try scanner.name("a key", limit: limits.nameByteCount)
      guard metadata.insert(key, try GGUFValue.read(&scanner, key: key)) else {
        throw scanner.problem(.repeated("the key", name: key))
      }
    }
    let alignment = try Self.alignment(metadata)
    var entries: [(name: String, shape: [Int], type: GGMLType, offset: UInt64)] = []
    entries.reserveCapacity(tensorCount)
    var names: Set<ExactString> = []
    for _ in 0..<tensorCount {
      let entry = try Self.entry(&scanner, limits)
      guard names.insert(ExactString(entry.name)).inserted else {
        throw scanner.problem(.repeated("the tensor", name: entry.name))
      }
      entries.append(entry)
    }
    let bytes = Array(scanner.bytes[..<scanner.position])
    metadata.keep(bytes)
    var hash = SHA256()
    hash.update(count: file.byteCount)
    hash.update(bytes)
    digest = hash.finish()
    // A header is far shorter than what overflows.
    let dataStart = (scanner.position + alignment - 1) / alignment * alignment
    guard tensorCount == 0 || dataStart <= file.byteCount else {
      throw scanner.problem(.endsInside("the space before the data"))
    }
    for entry in entries {
      tensors.append(try Self.tensor(entry, dataStart: dataStart, alignment: alignment, file, limits))
    }
    tensors.sort { ($0.byteOffset, $0.byteCount) < ($1.byteOffset, $1.byteCount) }
    for (tensor, next) in zip(tensors, tensors.dropFirst())
    where next.byteOffset < tensor.byteOffset + tensor.byteCount {
      throw CheckpointError.gguf(path: file.path, byte: nil, .overlap(tensor: next.name, with: tensor.name))
    }
  }

  /// Magic, version and counts.
  private static func beginning(
    _ scanner: inout GGUFScanner, _ limits: CheckpointLimits
  ) throws(CheckpointError) -> (tensors: Int, keys: Int) {
    let pointer = Array("version https://git-lfs.github.com/spec/".utf8)
    let file = scanner.file
    if file.byteCount >= pointer.count, try file.bytes(at: 0, count: pointer.count) == pointer {
      throw .gitLFSPointer(path: file.path)
    }
    let magic = try scanner.integer(UInt32.self, "its first bytes")
    guard magic != UInt32(bigEndian: GGUFFile.magic) else { throw scanner.problem(.bigEndian) }
    guard magic == GGUFFile.magic else { throw scanner.problem(.notGGUF) }
    let version = try scanner.integer(UInt32.self, "its version")
    // Files of big-endian machines begin with the same letters.
    guard version & 0xFFFF != 0 || version == 0 else { throw scanner.problem(.bigEndian) }
    guard version == 2 || version == 3 else { throw scanner.problem(.version(version)) }
    let tensors = try scanner.count("tensors", leastByteCount: 33, limit: limits.tensorCount)
    return (tensors, try scanner.count("keys", leastByteCount: 14, limit: keyLimit))
  }

  private static func alignment(_ metadata: GGUFMetadata) throws(CheckpointError) -> Int {
    guard let alignment = try metadata.int("general.alignment", in: Int.min...Int.max) else { return 32 }
    guard alignment > 0, alignment <= maximumAlignment, alignment & (alignment - 1) == 0 else {
      throw metadata.problem(.alignment(alignment))
    }
    return alignment
  }

  private static func entry(
    _ scanner: inout GGUFScanner, _ limits: CheckpointLimits
  ) throws(CheckpointError) -> (name: String, shape: [Int], type: GGMLType, offset: UInt64) {
    let name = try scanner.name("a tensor", limit: limits.nameByteCount)
    let what = "the entry of tensor \(quoted(name))"
    let count = try scanner.integer(UInt32.self, what)
    guard count >= 1, count <= dimensionLimit else {
      throw scanner.problem(.dimensionCount(tensor: name, count: count, limit: dimensionLimit))
    }
    var shape: [Int] = []
    for _ in 0..<count {
      let found = try scanner.integer(UInt64.self, what)
      guard let dimension = Int(exactly: found), dimension >= 1, dimension <= limits.dimension else {
        throw scanner.problem(.dimension(tensor: name, found, limit: limits.dimension))
      }
      shape.append(dimension)
    }
    let number = try scanner.integer(UInt32.self, what)
    guard let type = GGMLType.of(number: number) else {
      throw scanner.problem(.unknownType(tensor: name, type: number))
    }
    guard shape[0] % type.blockSize == 0 else {
      throw scanner.problem(.partialBlock(tensor: name, type: type.name, columns: shape[0], block: type.blockSize))
    }
    return (name, shape.reversed(), type, try scanner.integer(UInt64.self, what))
  }

  private static func tensor(
    _ entry: (name: String, shape: [Int], type: GGMLType, offset: UInt64), dataStart: Int, alignment: Int,
    _ file: InputFile, _ limits: CheckpointLimits
  ) throws(CheckpointError) -> GGUFTensor {
    func problem(_ problem: GGUFProblem) -> CheckpointError { .gguf(path: file.path, byte: nil, problem) }
    var elements = 1
    for dimension in entry.shape {
      let (product, overflows) = elements.multipliedReportingOverflow(by: dimension)
      guard !overflows else { throw problem(.sizeOverflows(tensor: entry.name)) }
      elements = product
    }
    guard let byteCount = entry.type.byteCount(elements: elements) else {
      throw problem(.sizeOverflows(tensor: entry.name))
    }
    guard entry.offset % UInt64(alignment) == 0 else {
      throw problem(.misaligned(tensor: entry.name, offset: entry.offset, alignment: alignment))
    }
    let dataByteCount = file.byteCount - dataStart
    guard let offset = Int(exactly: entry.offset), offset <= dataByteCount, byteCount <= dataByteCount - offset else {
      let end = Int(clamping: entry.offset).addingReportingOverflow(byteCount)
      throw problem(
        .pastEnd(tensor: entry.name, end: end.overflow ? .max : end.partialValue, dataByteCount: dataByteCount))
    }
    return GGUFTensor(
      name: entry.name, type: entry.type, shape: entry.shape, byteOffset: dataStart + offset, byteCount: byteCount)
  }
}
