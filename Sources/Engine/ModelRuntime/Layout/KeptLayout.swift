import Bytes
import Checkpoints
import Fabric
import Kernels
import Machine
import MoEModel

/// A choice of layout that the keeper of rank 0's host has for the next job, beside the weights that were packed for
/// it: what was measured once is not measured again, and a job that is started again has the layout that it had.
package final class KeptLayout {
  /// What was chosen, and from which figures.
  struct Choice: Equatable {
    var isSliced: Bool
    var words: String
  }

  private static let magic: UInt64 = 0x3154_594c_5447_4d4d
  private static let digestBytes = 32

  private let communicator: any Communicator
  private let options: KeepingOptions
  private let name: String
  /// Of all that a choice depends on, but for what is measured; the same on all ranks.
  private let terms: [UInt8]
  /// Rank 0's way to the keeper; nil elsewhere, and where there is none.
  private var client: KeeperClient?

  /// `streams`, `dividesExperts`: as `LayoutChoice` has them. Collective.
  init(
    _ options: KeepingOptions, _ opened: OpenedModel, _ runtime: ClusterRuntime, streams: Int, dividesExperts: Bool
  ) throws {
    (communicator, self.options) = (runtime.communicator, options)
    let (checkpoint, description) = (opened.checkpoint, opened.description)
    name =
      "layout of \(checkpoint.path), \(description.weights.rawValue), \(communicator.size) ranks, \(streams) sequences"
    var own = ByteWriter()
    own.write(communicator.hostName)
    own.write(runtime.host.topology.cpuModel)
    own.write(Int32(runtime.compute.workerCount))
    let all = try communicator.allGather(own.bytes)
    var writer = ByteWriter()
    writer.write("\(name), \(dividesExperts), \(description.predicts)")
    for bytes in [checkpoint.fingerprint, checkpoint.fileStamp ?? []] + all {
      writer.write(Int32(bytes.count))
      for byte in bytes { writer.write(byte) }
    }
    // Rank 0's count: each rank may have its own copy of the folder, in another place and with another stamp, and all
    // must find the same, or some would go on to measure without the others.
    var terms = SHA256.digest(writer.bytes)
    try communicator.broadcast(&terms, from: Rank(0))
    self.terms = terms
    if options.mode != .off, communicator.isRoot, checkpoint.fileStamp != nil {
      client = try? KeeperClient.start(options.folder, command: options.command)
    }
  }

  /// What was chosen for the same model, ranks and hosts before; nil where nobody knows. Collective.
  func find() throws -> Choice? {
    var note: [UInt8] = []
    if let client { note = ((try? client.find(name)) ?? nil)?.note ?? [] }
    try communicator.broadcast(&note, from: Rank(0))
    return choice(note)
  }

  /// Has it kept. Not collective.
  func keep(_ choice: Choice) {
    guard let client, let memory = try? SharedMemory(roomFor: 0) else { return }
    memory.seal()
    _ = try? client.hold(name, [memory], note: note(choice), seconds: options.seconds)
  }

  /// At a good end: has the keeper let go of what would only serve after a bad one. Not collective.
  package func release() {
    guard options.mode == .restarts else { return }
    try? client?.drop(name)
  }

  private func note(_ choice: Choice) -> [UInt8] {
    var writer = ByteWriter()
    writer.write(Self.magic)
    for byte in terms { writer.write(byte) }
    writer.write(UInt8(choice.isSliced ? 1 : 0))
    writer.write(choice.words)
    return writer.bytes + SHA256.digest(writer.bytes)
  }

  /// Nil where the bytes are cut short, changed, or of another model or other ranks.
  private func choice(_ note: [UInt8]) -> Choice? {
    guard note.count > Self.digestBytes else { return nil }
    let content = Array(note.dropLast(Self.digestBytes))
    guard SHA256.digest(content) == Array(note.suffix(Self.digestBytes)) else { return nil }
    var reader = ByteReader(content)
    do throws(TruncatedMessage) {
      guard try reader.read(UInt64.self) == Self.magic, try reader.readRaw(count: Self.digestBytes) == terms else {
        return nil
      }
      return Choice(isSliced: try reader.read(UInt8.self) != 0, words: try reader.readText())
    } catch { return nil }
  }
}
