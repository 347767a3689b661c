/// Requests sent to a server as an arrival process and a limit of concurrency say.
package struct LoadRun: Sendable {
  /// How far it is.
  package struct Progress: Sendable {
    package var done = 0
    package var total = 0
    package var inFlight = 0
    package var failed = 0
  }

  package let client: ServerClient
  package let shape: RequestShape
  package let prompts: [LoadPrompt]
  /// Seconds after the start at which each may be sent, ascending.
  package let arrivals: [Double]
  /// Most requests under way at once; nil for no limit.
  package let concurrency: Int?

  package init(
    client: ServerClient, shape: RequestShape, prompts: [LoadPrompt], arrivals: [Double], concurrency: Int?
  ) {
    (self.client, self.shape, self.prompts) = (client, shape, prompts)
    (self.arrivals, self.concurrency) = (arrivals, concurrency)
  }

  private enum Event: Sendable {
    case ended(RequestOutcome)
    case arrival
    case interrupt
  }

  /// Sends all requests and waits for their ends; once `isInterrupted` it gives up those under way and sends no more.
  package func run(
    isInterrupted: @escaping @Sendable () -> Bool = { false }, onProgress: @Sendable (Progress) -> Void = { _ in }
  ) async -> LoadRecord {
    let start = ContinuousClock.now
    var record = LoadRecord()
    var progress = Progress(total: prompts.count)
    await withTaskGroup(of: Event.self) { group in
      group.addTask {
        while !Task.isCancelled, !isInterrupted() { try? await Task.sleep(for: .milliseconds(50)) }
        return .interrupt
      }
      var next = 0
      var waitsForArrival = false
      while true {
        while next < prompts.count, !record.isInterrupted, progress.inFlight < concurrency ?? .max {
          let due = start + .seconds(arrivals[next])
          guard due <= .now else {
            if !waitsForArrival {
              waitsForArrival = true
              group.addTask {
                try? await Task.sleep(until: due, clock: .continuous)
                return .arrival
              }
            }
            break
          }
          let prompt = prompts[next]
          group.addTask { .ended(await client.stream(prompt, shape, epoch: start)) }
          next += 1
          progress.inFlight += 1
          record.peakConcurrency = max(record.peakConcurrency, progress.inFlight)
        }
        if progress.inFlight == 0, next == prompts.count || record.isInterrupted { break }
        switch await group.next() {
        case .ended(let outcome)?:
          record.outcomes.append(outcome)
          progress.inFlight -= 1
          progress.done += 1
          if !outcome.isCompleted { progress.failed += 1 }
        case .arrival?: waitsForArrival = false
        case .interrupt?:
          record.isInterrupted = true
          group.cancelAll()
        case nil: return
        }
        onProgress(progress)
      }
      group.cancelAll()
    }
    record.requested = prompts.count
    return record
  }
}

/// What a run brought to light.
package struct LoadRecord: Sendable {
  /// In the order in which they ended.
  package var outcomes: [RequestOutcome] = []
  package var requested = 0
  /// Most requests under way at once.
  package var peakConcurrency = 0
  package var isInterrupted = false

  package init() {}
}
