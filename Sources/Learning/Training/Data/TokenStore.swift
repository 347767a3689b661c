import Checkpoints
import Tensors

/// Tokens one after another, and where documents begin; from any thread.
package protocol TokenStore: Sendable {
  /// Where they come from, for messages.
  var path: String { get }
  var tokenCount: Int { get }
  var documents: DocumentTable { get }
  /// Bytes of memory it takes.
  var memoryBytes: Int { get }
  /// Fills `buffer` with the tokens from `first` on; all of them must be there.
  func read(into buffer: UnsafeMutableBufferPointer<Int32>, from first: Int) throws
}

/// Where the documents of a store begin.
package enum DocumentTable: Sendable, Equatable {
  /// All of one length.
  case rows(length: Int)
  /// By document; the last one ends where the tokens do.
  case starts([Int])

  /// The document that a token is in, the first one being 1.
  func number(ofToken token: Int) -> Int {
    switch self {
    case .rows(let length): return token / length + 1
    case .starts(let starts):
      var (low, high) = (0, starts.count)
      while low < high {
        let middle = (low + high) / 2
        if starts[middle] <= token { low = middle + 1 } else { high = middle }
      }
      return low
    }
  }
}

/// Tokens in memory: those of text, and of lists of ids.
final class MemoryTokens: TokenStore, @unchecked Sendable {
  let path: String
  let documents: DocumentTable
  private let tokens: GrowingList<Int32>

  /// Takes over `tokens`, which nobody else may change.
  init(path: String, tokens: GrowingList<Int32>, starts: [Int]) {
    self.path = path
    self.tokens = tokens
    documents = .starts(starts)
  }

  var tokenCount: Int { tokens.count }
  var memoryBytes: Int { tokens.count * 4 }

  func read(into buffer: UnsafeMutableBufferPointer<Int32>, from first: Int) {
    precondition(first >= 0 && first + buffer.count <= tokens.count, "tokens that are not there")
    guard let target = buffer.baseAddress else { return }
    target.update(from: tokens.elements + first, count: buffer.count)
  }
}

/// Tokens in a file, read a piece at a time: `pread` into memory of our own, since a mapped file that shrinks ends the
/// process.
final class ShardTokens: TokenStore {
  enum Element: Sendable, Equatable {
    case uint16, int32, uint32, int64

    var byteCount: Int {
      switch self {
      case .uint16: 2
      case .int32, .uint32: 4
      case .int64: 8
      }
    }
  }

  let documents: DocumentTable
  let tokenCount: Int
  private let file: InputFile
  /// Of the first token.
  private let offset: Int
  private let element: Element
  private let vocabularySize: Int

  /// Rows of `length` tokens each.
  init(file: InputFile, offset: Int, element: Element, rows: Int, length: Int, vocabularySize: Int) {
    (self.file, self.offset, self.element, self.vocabularySize) = (file, offset, element, vocabularySize)
    tokenCount = rows * length
    documents = .rows(length: max(1, length))
  }

  var path: String { file.path }
  var memoryBytes: Int { 0 }

  func read(into buffer: UnsafeMutableBufferPointer<Int32>, from first: Int) throws {
    precondition(first >= 0 && first + buffer.count <= tokenCount, "tokens that are not there")
    let width = element.byteCount
    try withUnsafeTemporaryAllocation(byteCount: max(1, buffer.count * width), alignment: 8) { raw in
      let bytes = UnsafeMutableRawBufferPointer(rebasing: raw[..<(buffer.count * width)])
      try file.read(into: bytes, at: offset + first * width)
      for i in 0..<buffer.count {
        let value: Int =
          switch element {
          case .uint16: Int(bytes.loadUnaligned(fromByteOffset: i * 2, as: UInt16.self))
          case .int32: Int(bytes.loadUnaligned(fromByteOffset: i * 4, as: Int32.self))
          case .uint32: Int(bytes.loadUnaligned(fromByteOffset: i * 4, as: UInt32.self))
          case .int64: Int(bytes.loadUnaligned(fromByteOffset: i * 8, as: Int64.self))
          }
        guard value >= 0, value < vocabularySize else {
          throw DataError.tokenOutsideVocabulary(
            file: path, place: "token \(first + i)", token: value, vocabulary: vocabularySize)
        }
        buffer[i] = Int32(value)
      }
    }
  }
}
