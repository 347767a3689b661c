import JSON

extension ToolCallFormat {
  /// What a system message says of tools, for models whose template does not show them; nil where no form of calls is
  /// known.
  ///
  /// The order and headings are those that DeepSeek publishes for V3.1; the form of a call is each family's own.
  package func listing(of tools: [ToolDefinition]) -> String? {
    guard let call = forcedCall(tools: [ToolDefinition(name: "tool_name")]), let form = call.alternatives.first else {
      return nil
    }
    let (open, close) = (call.envelope.open, call.envelope.close)
    var lines = ["## Tools", "You have access to the following tools:", ""]
    for tool in tools {
      lines += ["### \(tool.name)"]
      if let description = tool.description, !description.isEmpty { lines.append("Description: \(description)") }
      lines += ["", "Parameters: \(tool.parameters.text())", ""]
    }
    if let tags = MarkupTags.of(syntax) {
      return (lines + markupLines(tags, open: open, close: close)).joined(separator: "\n")
    }
    lines += [
      "IMPORTANT: to call a tool, write exactly this form, and nothing after it:",
      open + form.prefix + "tool_arguments" + form.suffix + close, "", "Where:", "",
      "- `tool_name` is the name of one of the tools",
      "- `tool_arguments` is a JSON object that follows the tool's parameters",
    ]
    if call.allowsSeveral {
      let several = form.prefix + "tool_arguments" + form.suffix
      lines.append(
        "- several calls are written one after the other: \(open + several + call.envelope.separator + several + close)"
      )
    }
    return lines.joined(separator: "\n")
  }

  /// The form of a call in markup, in words of ours: its makers' are in the templates that they give.
  private func markupLines(_ tags: MarkupTags, open: String, close: String) -> [String] {
    let (argument, end) = (tags.argument.text, tags.argumentClose.text)
    let (kind, values) =
      tags.tellsText
      ? (" string=\"true|false\"", "a string as it is, with string=\"true\"; all else as JSON, with string=\"false\"")
      : ("", "a string as it is, all else as JSON")
    return [
      "IMPORTANT: to call a tool, write exactly this form, and nothing after it:",
      open + tags.call.text + "\"tool_name\">", argument + "\"argument_name\"\(kind)>value" + end,
      tags.callClose.text + close, "", "Where:", "", "- `tool_name` is the name of one of the tools",
      "- each argument has a tag of its own: \(values)",
      "- several calls are written one after the other, before the last tag",
    ]
  }
}

extension ToolDefinition {
  /// The tool with everything that templates take for granted: those that print a description fail without one.
  package var complete: JSONValue {
    var function = json["function"]?.object ?? JSONObject()
    if function["description"] == nil || function["description"] == .null { function["description"] = "" }
    if function["parameters"] == nil || function["parameters"] == .null { function["parameters"] = parameters }
    var tool = json.object ?? JSONObject()
    tool["function"] = .object(function)
    return .object(tool)
  }
}
