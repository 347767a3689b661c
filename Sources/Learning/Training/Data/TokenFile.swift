import Checkpoints
import Tensors

/// Opens files of data, each as what it is.
struct TokenFile {
  let reader: DocumentReader

  /// The tokens of a file. Text is read and tokenized here, and shards later, by piece.
  func open(_ file: DataFile) throws -> any TokenStore {
    switch file.kind {
    case .jsonLines: return try reader.read(try InputFile(path: file.path), isJSON: true)
    case .text: return try reader.read(try InputFile(path: file.path), isJSON: false)
    case .numpy:
      let input = try InputFile(path: file.path)
      let header = try NumpyHeader(input)
      return try shard(input, offset: header.byteCount, header.element, rows: header.rows, length: header.length)
    case .safetensors: return try safetensors(file.path)
    }
  }

  private func safetensors(_ path: String) throws -> ShardTokens {
    let file = try SafetensorsFile(path: path)
    guard file.entries.count == 1, let entry = file.entries.first else {
      throw DataError.severalTensors(file: path, count: file.entries.count)
    }
    let element: ShardTokens.Element
    switch entry.type {
    case .uint16: element = .uint16
    case .int32: element = .int32
    case .uint32: element = .uint32
    case .int64: element = .int64
    default: throw DataError.wrongElements(file: path, found: entry.type.rawValue)
    }
    guard (1...2).contains(entry.shape.count) else { throw DataError.wrongShape(file: path, found: "\(entry.shape)") }
    let isRow = entry.shape.count == 1
    return try shard(
      try InputFile(path: path), offset: entry.byteOffset, element, rows: isRow ? 1 : entry.shape[0],
      length: isRow ? entry.shape[0] : entry.shape[1])
  }

  private func shard(
    _ file: InputFile, offset: Int, _ element: ShardTokens.Element, rows: Int, length: Int
  ) throws -> ShardTokens {
    guard rows > 0, length > 0 else { throw DataError.noTokens(file: file.path) }
    return ShardTokens(
      file: file, offset: offset, element: element, rows: rows, length: length,
      vocabularySize: reader.vocabularySize)
  }
}
