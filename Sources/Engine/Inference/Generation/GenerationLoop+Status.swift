import EngineAPI
import ExpertParallelism
import ModelRuntime
import MoEModel
import Telemetry

extension GenerationLoop {
  /// What the ranks hold now and have done since the start. Collective with `follow()`.
  package func status() throws -> ClusterStatus {
    let account = try collectTotals()
    var status = ClusterStatus()
    status.time = (ContinuousClock.now - began) / .seconds(1)
    for rank in account.ranks.indices {
      // Where all ranks feed all sequences there is one account of blocks, and the sequences are rank 0's.
      let pool = scheduler.pools[min(rank, scheduler.pools.count - 1)]
      var state = account.ranks[rank].status
      state.sequences = scheduler.loads.indices.contains(rank) ? scheduler.loads[rank] : 0
      (state.blocksInUse, state.blocksCached, state.blocks) = (pool.inUseCount, pool.idleCount, pool.blockCount)
      state.tokens = tokensFed[rank]
      status.ranks.append(state)
    }
    status.requestsWaiting = scheduler.waiting.count
    status.requestsRunning = scheduler.running.count
    let counts = scheduler.counts
    (status.requestsFinished, status.preemptions) = (counts.finished, counts.preempted)
    (status.promptTokens, status.cachedTokens, status.generatedTokens) = (
      counts.promptTokens, counts.cachedTokens, counts.sampled
    )
    (status.prefillSteps, status.decodeSteps) = (statistics.prefill.steps, statistics.decode.steps)
    (status.prefillSeconds, status.decodeSeconds) = (
      statistics.prefill.time / .seconds(1), statistics.decode.time / .seconds(1)
    )
    (status.bytesSent, status.messagesSent) = (statistics.bytesSent, statistics.messagesSent)
    let speculation = statistics.speculation
    (status.drafted, status.accepted) = (speculation.drafted, speculation.accepted)
    (status.draftingSteps, status.restingSteps) = (speculation.with.count, speculation.without.count)
    status.speculationGain = speculation.gain ?? 0
    let busiest = statistics.busiest
    (status.busiestVisits, status.busiestExperts) = (busiest.visits, busiest.experts)
    (status.rebalances, status.expertsMoved, status.isRebalancing) = (rebalances, expertsMoved, isRebalancing)
    let description = session.description
    status.replicas = session.model.placement.replicaCount
    status.layers = description.moeLayers
    let expertCount = description.moe?.expertCount ?? 0
    status.visits = description.moeLayers.map { account.visits(layer: $0, expertCount: expertCount) }
    return status
  }
}

extension RankAccount {
  /// Its time in five parts.
  fileprivate var status: ClusterStatus.RankStatus {
    var status = ClusterStatus.RankStatus()
    (status.rank, status.host) = (rank, host)
    for kind in kinds {
      for phase in Phase.allCases {
        let (time, late) = (Double(kind.total(phase)) / 1e9, Double(kind.totalLate(phase)) / 1e9)
        status.waiting += late
        switch phase {
        case .attention: status.attention += time - late
        case .experts, .shared, .dense: status.experts += time - late
        case .plan, .pack, .dispatch, .unpack, .combine, .outcome: status.communication += time - late
        case .embedding, .gate, .merge, .head, .sampling: status.other += time - late
        }
      }
    }
    return status
  }
}
