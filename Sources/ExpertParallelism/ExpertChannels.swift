import Fabric

/// Shared memory for what the ranks of a host send each other in expert layers.
package struct ExpertChannels {
  let dispatches: HostChannels
  let sums: HostChannels

  /// Room for steps of up to `batchTokens` tokens a rank; nil on all ranks where there is no shared memory. Collective.
  package init?(
    _ communicator: any Communicator, placement: ExpertPlacement, wire: WireFormat, topK: Int, batchTokens: Int
  ) throws(FabricError) {
    let rows = min(topK, placement.nodeLimit)
    let dispatch = wire.dispatchByteCount(tokens: batchTokens, visits: batchTokens * topK)
    let combine = wire.combineByteCount(rows: batchTokens * rows)
    guard let dispatches = try HostChannels(communicator, byteCount: dispatch),
      let sums = try HostChannels(communicator, byteCount: combine)
    else { return nil }
    (self.dispatches, self.sums) = (dispatches, sums)
  }
}
