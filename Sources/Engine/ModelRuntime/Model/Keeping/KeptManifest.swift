import Bytes
import Checkpoints
import MoEModel

/// What goes with weights that are kept: by which a later process, of this or another build, knows whether they are
/// what it would make itself.
package struct KeptManifest: Equatable, Sendable {
  /// A run of memory near one NUMA node.
  package struct Segment: Equatable, Sendable {
    package var node: Int
    package var byteCount: Int
    /// `TensorSum` of its bytes.
    package var sum: UInt64
    /// Of a thousand sampled pages, those that lay on another node.
    package var elsewhere: Int

    package init(node: Int, byteCount: Int, sum: UInt64 = 0, elsewhere: Int = 0) {
      (self.node, self.byteCount, self.sum, self.elsewhere) = (node, byteCount, sum, elsewhere)
    }
  }

  private static let magic: UInt64 = 0x3154_504b_5447_4d4d
  private static let digestBytes = 32
  package static let segmentLimit = 64

  /// What the bytes of a panel mean (`WeightLayout.version`).
  package var version = WeightLayout.version
  /// Of settings and headers.
  package var fingerprint: [UInt8]
  /// Which files, and when they last changed.
  package var files: [UInt8]
  /// How weights are held.
  package var precision: String
  /// Which parameters, in which forms and order.
  package var layout: [UInt8]
  package var segments: [Segment]

  package init(fingerprint: [UInt8], files: [UInt8], precision: String, layout: [UInt8], segments: [Segment]) {
    (self.fingerprint, self.files, self.precision) = (fingerprint, files, precision)
    (self.layout, self.segments) = (layout, segments)
  }

  package var bytes: [UInt8] {
    var writer = ByteWriter()
    writer.write(Self.magic)
    writer.write(version)
    for digest in [fingerprint, files, layout] { for byte in digest { writer.write(byte) } }
    writer.write(precision)
    writer.write(Int32(segments.count))
    for segment in segments {
      writer.write(Int32(segment.node))
      writer.write(Int64(segment.byteCount))
      writer.write(segment.sum)
      writer.write(Int32(segment.elsewhere))
    }
    return writer.bytes + SHA256.digest(writer.bytes)
  }

  /// Nil where the bytes are cut short, changed, or of another kind.
  package init?(_ bytes: [UInt8]) {
    guard bytes.count > Self.digestBytes, bytes.count < 1 << 15 else { return nil }
    let content = Array(bytes.dropLast(Self.digestBytes))
    guard SHA256.digest(content) == Array(bytes.suffix(Self.digestBytes)) else { return nil }
    var reader = ByteReader(content)
    do throws(TruncatedMessage) {
      guard try reader.read(UInt64.self) == Self.magic else { return nil }
      version = try reader.read()
      fingerprint = try reader.readRaw(count: Self.digestBytes)
      files = try reader.readRaw(count: Self.digestBytes)
      layout = try reader.readRaw(count: Self.digestBytes)
      precision = try reader.readText()
      segments = []
      for _ in 0..<(try reader.readCount(width: 24)) {
        let node = Int(try reader.read(Int32.self))
        let byteCount = Int(try reader.read(Int64.self))
        segments.append(
          Segment(
            node: node, byteCount: byteCount, sum: try reader.read(), elsewhere: Int(try reader.read(Int32.self))))
      }
    } catch { return nil }
    guard reader.isAtEnd, (1...Self.segmentLimit).contains(segments.count),
      segments.allSatisfy({ (0..<1 << 46).contains($0.byteCount) && (0...1000).contains($0.elsewhere) })
    else { return nil }
  }

  /// Why weights that go with `self` are not those that `wanted` describes; nil where they are, as far as one can tell
  /// without looking at them.
  package func difference(from wanted: KeptManifest) -> String? {
    if version != wanted.version { return "they have layout version \(version), and this program \(wanted.version)" }
    if fingerprint != wanted.fingerprint { return "the checkpoint's settings or headers are others" }
    if files != wanted.files { return "the checkpoint's files have changed or are others" }
    if precision != wanted.precision { return "they are held as \(precision), not as \(wanted.precision)" }
    if layout != wanted.layout { return "they are laid out for other experts, threads or NUMA nodes" }
    guard segments.map(\.node) == wanted.segments.map(\.node),
      segments.map(\.byteCount) == wanted.segments.map(\.byteCount)
    else { return "their memory has other sizes" }
    return nil
  }
}
