internal import CMPIShims

/// Collectives are started without blocking and waited for like messages, so that one rule of waiting holds for all.
extension MPICommunicator {
  package func barrier() throws(FabricError) {
    var request: MPI_Request? = cmpi_request_null()
    try finish("MPI_Ibarrier", MPI_Ibarrier(world, &request), &request).get()
  }

  package func broadcast(_ bytes: inout [UInt8], from root: Rank, limit: Int) throws(FabricError) {
    try check(root: root)
    // The length and as much as fits beside it: most messages take one round.
    let head = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.broadcastHead, alignment: 8)
    defer { head.deallocate() }
    let room = head.count - 8
    if rank == root {
      head.storeBytes(of: Int64(bytes.count), as: Int64.self)
      bytes.withUnsafeBytes {
        UnsafeMutableRawBufferPointer(rebasing: head[8...]).copyMemory(from: .init(rebasing: $0.prefix(room)))
      }
    }
    try broadcast(head, from: root)
    let count = try checkedTotal([head.load(as: Int64.self)], limit: limit)
    if rank != root {
      bytes.removeAll(keepingCapacity: true)
      bytes.append(contentsOf: head[8..<(8 + min(count, room))])
      if count > room { bytes.append(contentsOf: repeatElement(0, count: count - room)) }
    }
    guard count > room else { return }
    let result = bytes.withUnsafeMutableBytes { buffer in
      Result { () throws(FabricError) in
        try broadcast(UnsafeMutableRawBufferPointer(rebasing: buffer[room...]), from: root)
      }
    }
    try result.get()
  }

  /// Bytes of the first message of a broadcast, the same on every rank.
  private static let broadcastHead = 1024

  private func broadcast(_ buffer: UnsafeMutableRawBufferPointer, from root: Rank) throws(FabricError) {
    var request: MPI_Request? = cmpi_request_null()
    let code = MPI_Ibcast(buffer.addressForMPI, Int32(buffer.count), cmpi_byte(), Int32(root.index), world, &request)
    try finish("MPI_Ibcast", code, &request, from: root).get()
  }

  package func gather(_ bytes: [UInt8], to root: Rank, limit: Int) throws(FabricError) -> [[UInt8]]? {
    try check(root: root)
    // Every rank learns all lengths, so that all refuse an excess together.
    let layout = try exchangeLengths(bytes.count, limit: limit)
    var gathered = [UInt8](repeating: 0, count: rank == root ? layout.total : 0)
    let result = bytes.withUnsafeBytes { source in
      gathered.withUnsafeMutableBytes { target in
        var request: MPI_Request? = cmpi_request_null()
        let code = MPI_Igatherv(
          source.addressForMPI, Int32(source.count), cmpi_byte(), target.addressForMPI, layout.lengths, layout.offsets,
          cmpi_byte(), Int32(root.index), world, &request)
        return finish("MPI_Igatherv", code, &request)
      }
    }
    // Releasing the layout before this would leave MPI with dangling pointers.
    withExtendedLifetime(layout) {}
    try result.get()
    return rank == root ? layout.split(gathered) : nil
  }

  package func allGather(_ bytes: [UInt8], limit: Int) throws(FabricError) -> [[UInt8]] {
    let layout = try exchangeLengths(bytes.count, limit: limit)
    var gathered = [UInt8](repeating: 0, count: layout.total)
    let result = bytes.withUnsafeBytes { source in
      gathered.withUnsafeMutableBytes { target in
        var request: MPI_Request? = cmpi_request_null()
        let code = MPI_Iallgatherv(
          source.addressForMPI, Int32(source.count), cmpi_byte(), target.addressForMPI, layout.lengths, layout.offsets,
          cmpi_byte(), world, &request)
        return finish("MPI_Iallgatherv", code, &request)
      }
    }
    withExtendedLifetime(layout) {}
    try result.get()
    return layout.split(gathered)
  }

  package func allReduce(_ values: [Int64], _ reduction: Reduction) throws(FabricError) -> [Int64] {
    guard let count = Int32(exactly: values.count) else {
      throw .messageTooLarge(byteCount: values.count, limit: Self.messageByteLimit)
    }
    let operation =
      switch reduction {
      case .sum: cmpi_sum()
      case .min: cmpi_min()
      case .max: cmpi_max()
      }
    var reduced = [Int64](repeating: 0, count: values.count)
    let result = values.withUnsafeBytes { source in
      reduced.withUnsafeMutableBytes { target in
        var request: MPI_Request? = cmpi_request_null()
        let code = MPI_Iallreduce(
          source.addressForMPI, target.addressForMPI, count, cmpi_int64(), operation, world, &request)
        return finish("MPI_Iallreduce", code, &request)
      }
    }
    try result.get()
    return reduced
  }

  private func exchangeLengths(_ count: Int, limit: Int) throws(FabricError) -> GatherLayout {
    var mine = Int64(count)
    var lengths = [Int64](repeating: 0, count: size)
    let result = withUnsafePointer(to: &mine) { mine in
      lengths.withUnsafeMutableBytes { target in
        var request: MPI_Request? = cmpi_request_null()
        let code = MPI_Iallgather(mine, 1, cmpi_int64(), target.addressForMPI, 1, cmpi_int64(), world, &request)
        return finish("MPI_Iallgather", code, &request)
      }
    }
    try result.get()
    let total = try checkedTotal(lengths, limit: limit)
    return GatherLayout(lengths: lengths.map { Int32($0) }, total: total)
  }

  /// Waits for a collective that was started with `code`; `root` is the one rank whose bytes are waited for, if it is
  /// one.
  private func finish(
    _ call: String, _ code: Int32, _ request: inout MPI_Request?, from root: Rank? = nil
  ) -> Result<Void, FabricError> {
    guard code == MPI_SUCCESS else { return .failure(mpiError(call, code)) }
    var waiting = Waiting(on: self, for: root == rank ? nil : root)
    defer { waiting.end() }
    while true {
      var flag: Int32 = 0
      var status = MPI_Status()
      let code = MPI_Test(&request, &flag, &status)
      guard code == MPI_SUCCESS else { return .failure(mpiError(call, code)) }
      if flag != 0 { return .success(()) }
      if waiting.isOver() { return .failure(.stalled(waiting: "\(call) on \(rank)", limit: waiting.limit)) }
    }
  }
}

/// Where each rank's part lies in a gathered buffer. Its pointers live as long as it does: a collective that does not
/// block reads them until it completes.
private final class GatherLayout {
  let lengths: UnsafeMutablePointer<Int32>
  let offsets: UnsafeMutablePointer<Int32>
  let total: Int
  private let count: Int

  init(lengths: [Int32], total: Int) {
    count = lengths.count
    self.lengths = .allocate(capacity: count)
    offsets = .allocate(capacity: count)
    self.total = total
    var offset: Int32 = 0
    for (rank, length) in lengths.enumerated() {
      (self.lengths + rank).initialize(to: length)
      (offsets + rank).initialize(to: offset)
      offset += length
    }
  }

  deinit {
    lengths.deallocate()
    offsets.deallocate()
  }

  func split(_ bytes: [UInt8]) -> [[UInt8]] {
    (0..<count).map { rank in
      let start = Int(offsets[rank])
      return Array(bytes[start..<start + Int(lengths[rank])])
    }
  }
}
