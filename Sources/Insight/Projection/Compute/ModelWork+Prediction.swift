import Telemetry

extension ModelWork {
  /// Whether the parameters are the same but for a prediction module's: reports of before exchanges were told do not
  /// have any.
  package func isOfSameModel(as other: ModelWork) -> Bool {
    var (own, theirs) = (predicting(false), other.predicting(false))
    (own.exchanges, theirs.exchanges) = ([], [])
    (own.attentionEntry, theirs.attentionEntry) = (0, 0)
    (own.attentionOutput, theirs.attentionOutput) = (0, 0)
    return own == theirs
  }

  /// With one prediction module, or without any.
  package func predicting(_ predicts: Bool) -> ModelWork {
    guard predicts != (modules > 0) else { return self }
    var work = self
    let more = predicts ? 1 : -modules
    work.layers += more
    work.moeLayers += more
    work.modules += more
    (work.moduleHeads, work.moduleInput) = predicts ? (1, plainModuleInput) : (0, 0)
    guard !work.exchanges.isEmpty else { return work }
    // A module's layer is like the others.
    for place in work.exchanges.indices {
      switch work.exchanges[place].stage {
      case .denseInner, .denseOutput, .logits, .projection, .guess: break
      case .embedding, .latents, .queries, .values, .attentionOutput, .router, .expertInner, .expertOutput:
        work.exchanges[place].count = max(0, work.exchanges[place].count + more)
      }
    }
    work.exchanges.removeAll { $0.stage == .projection || $0.stage == .guess }
    if predicts {
      work.exchanges.append(RowExchange(.projection, count: 1, [.init(columns: hiddenSize)]))
      work.exchanges.append(RowExchange(.guess, count: 1, [.init(columns: 2, isWhole: true)]))
    }
    return work
  }
}
