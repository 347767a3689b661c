internal import CMPIShims

/// MPI's own exchanges, to compare ours with.
extension MPICommunicator {
  /// MPI_Alltoallv of bytes: to rank r `counts[r]` bytes from `offsets[r]` of `source` on, and from it
  /// `receiveCounts[r]` bytes to `receiveOffsets[r]` of `target`; all four are `[ranks]`. Collective.
  package func allToAll(
    _ source: UnsafeRawPointer, counts: [Int32], offsets: [Int32], into target: UnsafeMutableRawPointer,
    receiveCounts: [Int32], receiveOffsets: [Int32]
  ) throws(FabricError) {
    try checkMPI(
      "MPI_Alltoallv",
      MPI_Alltoallv(
        source, counts, offsets, cmpi_byte(), target, receiveCounts, receiveOffsets, cmpi_byte(), world))
  }

  /// MPI_Alltoall of `count` bytes for each rank: `source` and `target` are `[ranks, count]`. Collective.
  package func allToAll(
    _ source: UnsafeRawPointer, count: Int, into target: UnsafeMutableRawPointer
  ) throws(FabricError) {
    try checkMPI(
      "MPI_Alltoall",
      MPI_Alltoall(source, Int32(count), cmpi_byte(), target, Int32(count), cmpi_byte(), world))
  }
}
