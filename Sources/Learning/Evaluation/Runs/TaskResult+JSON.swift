import JSON

extension TaskResult {
  /// `{"task", "version", "n", "right", "wrong", "no_answer", "accuracy", "interval", …}`; without the answers.
  package var summary: JSONObject {
    let description = task.description
    var object = JSONObject([("task", .string(description.name)), ("version", .string(description.version))])
    object["grader"] = .string(description.graderName)
    if likelihood != nil {
      object["n"] = .int(answers.count { $0.verdict.outcome != .error })
      object["errors"] = .int(score.counts[.error] ?? 0)
    } else {
      for (key, value) in score.json.members { object[key] = value }
    }
    if let accuracyPerByte {
      object["accuracy_per_byte"] = .double(accuracyPerByte.mean)
      object["interval_per_byte"] = accuracyPerByte.intervalJSON
    }
    if !passAt.isEmpty {
      object["repeats"] = .int(description.repeats)
      object["pass_at"] = .object(JSONObject(passAt.map { ("\($0.k)", .double($0.mean)) }))
    }
    if let consensus {
      object["consensus_accuracy"] = .double(consensus.mean)
      object["consensus_interval"] = consensus.intervalJSON
    }
    if let likelihood {
      object["bits_per_byte"] = .double(likelihood.bitsPerByte)
      object["byte_perplexity"] = .double(likelihood.bytePerplexity)
      object["word_perplexity"] = .double(likelihood.wordPerplexity)
      object["token_perplexity"] = .double(likelihood.tokenPerplexity)
      object["nats"] = .double(likelihood.nats)
    }
    object["tokens"] = .int(answers.reduce(0) { $0 + $1.tokenCount })
    if !kinds.isEmpty { object["by_kind"] = .object(JSONObject(kinds.map { ($0.kind, .object($0.score.json)) })) }
    if !description.outcomeNames.isEmpty {
      object["outcomes"] = .object(
        JSONObject(
          Outcome.allCases.compactMap { outcome in
            description.outcomeNames[outcome].map { (outcome.rawValue, .string($0)) }
          }))
    }
    if let license = description.license { object["license"] = .string(license) }
    return object
  }

  /// The same with every answer.
  package var json: JSONObject {
    var object = summary
    object["items"] = .array(answers.map { .object($0.json) })
    return object
  }
}

extension TaskResult.Score {
  package var json: JSONObject {
    var object = JSONObject([("n", .int(counted))])
    for outcome in Outcome.allCases where outcome.isCounted { object[outcome.rawValue] = .int(counts[outcome] ?? 0) }
    object["cut"] = .int(cut)
    object["errors"] = .int(counts[.error] ?? 0)
    object["unscored"] = .int(counts[.unscored] ?? 0)
    object["accuracy"] = accuracy.map { .double($0.mean) } ?? .null
    object["interval"] = accuracy?.intervalJSON ?? .null
    object["standard_error"] = accuracy.map { .double($0.standardError) } ?? .null
    if let accuracy, accuracy.clusterCount < accuracy.count { object["clusters"] = .int(accuracy.clusterCount) }
    return object
  }
}

extension Proportion {
  var intervalJSON: JSONValue { [.double(interval.lowerBound), .double(interval.upperBound)] }
}

extension GradedAnswer {
  var json: JSONObject {
    var object = JSONObject([("id", .string(item.id))])
    if let kind = item.kind { object["prompt_kind"] = .string(kind) }
    if let cluster = item.cluster { object["cluster"] = .string(cluster) }
    if let seed {
      object["repeat"] = .int(repetition)
      object["seed"] = .number(JSONNumber(text: "\(seed)"))
    }
    object["prompt"] = .string(item.prompt)
    if !item.choices.isEmpty {
      object["choices"] = .array(item.choices.map { .string($0) })
      object["choice_logprobs"] = .array(choiceLogprobs.map { .double($0) })
    }
    object["target"] = .array(item.target.texts.map { .string($0) })
    if !item.target.falsehoods.isEmpty { object["falsehood"] = .array(item.target.falsehoods.map { .string($0) }) }
    object["answer"] = .string(text)
    object["outcome"] = .string(verdict.outcome.rawValue)
    object["rule"] = .string(verdict.rule)
    object["extracted"] = verdict.extracted.map { .string($0) } ?? .null
    object["cut"] = .bool(verdict.isCut)
    object["logprob"] = logprob.map { .double($0) } ?? .null
    object["tokens"] = .int(tokenCount)
    return object
  }
}
