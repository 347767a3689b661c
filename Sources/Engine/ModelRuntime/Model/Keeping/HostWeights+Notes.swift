import Bytes
import Fabric
import Machine
import MoEModel

extension HostWeights {
  /// What a user should know of it, the same on every rank. Collective.
  func notes(_ options: KeepingOptions, seconds: Double) throws -> [String] {
    guard options.mode != .off || options.shares else { return [] }
    let leader = sharers.first?.index
    let isLeader = leader == communicator.rank.index
    var writer = ByteWriter()
    writer.write(Int64(takenBytes))
    writer.write(Int32(isFilled ? 1 : 0))
    writer.write(Int32(isLeader ? sharers.count : 0))
    writer.write(Int64(isLeader ? sharedBytes : 0))
    writer.write(Int32(memory.shared?.arenas.count ?? 1))
    writer.write(reason ?? "")
    writer.write(communicator.hostName)
    let all = try communicator.allGather(writer.bytes)
    return try agree(on: communicator) {
      var (taken, filled, copies, sharing, common) = (0, 0, 0, 0, 0)
      var (isSpread, reasons) = (false, [String]())
      for (rank, bytes) in all.enumerated() {
        var reader = ByteReader(bytes)
        taken += Int(try reader.read(Int64.self))
        filled += Int(try reader.read(Int32.self))
        let count = Int(try reader.read(Int32.self))
        (copies, sharing) = (copies + (count > 0 ? 1 : 0), sharing + count)
        common += Int(try reader.read(Int64.self))
        if try reader.read(Int32.self) > 1 { isSpread = true }
        let reason = try reader.readText()
        if !reason.isEmpty { reasons.append("rank \(rank) on host \(try reader.readText()): \(reason)") }
      }
      var notes: [String] = []
      if copies > 0 {
        let place = isSpread ? "spread over the NUMA nodes of their threads" : "each on its ranks' NUMA node"
        notes.append(
          """
          \(sharing) ranks share \(copies == 1 ? "one copy" : "\(copies) copies") of what is no expert, \
          \(Self.size(common)) in all, \(place)
          """
        )
      }
      if options.mode != .off, taken > 0 {
        notes.append(
          """
          took the kept weights of \(filled) of \(communicator.size) rank\(communicator.size == 1 ? "" : "s"), \
          \(Self.size(taken)), checked and ready after \((seconds * 100).rounded() / 100) s
          """
        )
      }
      // Many ranks may say the same.
      return notes + reasons.prefix(4) + (reasons.count > 4 ? ["\(reasons.count - 4) more ranks say the like"] : [])
    }
  }

  private var sharedBytes: Int { memory.shared?.arenas.reduce(0) { $0 + $1.byteCount } ?? 0 }

  private static func size(_ bytes: Int) -> String {
    bytes >= 10 << 30 ? "\(bytes >> 30) GiB" : bytes >= 10 << 20 ? "\(bytes >> 20) MiB" : "\(bytes >> 10) KiB"
  }
}
