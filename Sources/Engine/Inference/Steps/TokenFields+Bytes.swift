import Bytes
import EngineAPI

extension SampledToken {
  /// What is told of it; the token itself has been written.
  func write(to writer: inout ByteWriter) {
    var token = self
    token.visit(&writer)
  }

  init(from reader: inout ByteReader) throws(TruncatedMessage) {
    self.init(try reader.read())
    try visit(&reader)
  }
}

extension ByteWriter: TokenFieldVisitor {
  package mutating func count(_ name: String, _ value: inout Int?, atMost limit: Int) throws(Never) {
    write(Int32(value ?? -1))
  }

  package mutating func number(_ name: String, _ value: inout Float?) throws(Never) {
    write(UInt8(value == nil ? 0 : 1))
    if let value { write(value) }
  }

  package mutating func candidates(_ name: String, _ values: inout [Candidate]) throws(Never) { write(values) }
}

extension ByteReader: TokenFieldVisitor {
  package mutating func count(_ name: String, _ value: inout Int?, atMost limit: Int) throws(TruncatedMessage) {
    let count = Int(try read(Int32.self))
    value = count < 0 ? nil : count
  }

  package mutating func number(_ name: String, _ value: inout Float?) throws(TruncatedMessage) {
    value = try read(UInt8.self) == 0 ? nil : try readFloat()
  }

  package mutating func candidates(_ name: String, _ values: inout [Candidate]) throws(TruncatedMessage) {
    values = try readCandidates()
  }
}

extension ByteWriter {
  mutating func write(_ candidates: [Candidate]) {
    write(Int32(candidates.count))
    for candidate in candidates {
      write(candidate.token)
      write(candidate.logprob)
    }
  }
}

extension ByteReader {
  mutating func readCandidates() throws(TruncatedMessage) -> [Candidate] {
    var candidates: [Candidate] = []
    for _ in 0..<(try readCount(width: 8)) { candidates.append(Candidate(token: try read(), logprob: try readFloat())) }
    return candidates
  }
}
