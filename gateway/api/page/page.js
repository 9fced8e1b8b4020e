"use strict";
// Reads /openapi.json and makes of each operation a description and a form. Everything that comes from outside enters
// the page as text, never as markup.

const METHODS = ["get", "post", "put", "patch", "delete"];
let description;

function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

function resolve(node) {
  for (let depth = 0; node && node.$ref && depth < 20; depth += 1) {
    const { $ref: reference, ...others } = node;
    const steps = reference.replace(/^#\//, "").split("/").map((step) => step.replace(/~1/g, "/").replace(/~0/g, "~"));
    node = { ...steps.reduce((inner, step) => inner?.[step], description), ...others };
  }
  return node ?? {};
}

// A text with its **strong**, *stressed* and `literal` words as elements; everything else enters as text.
function prose(text) {
  const kinds = [[/^\*\*(.+)\*\*$/s, "strong"], [/^\*(.+)\*$/s, "em"], [/^`(.+)`$/s, "code"]];
  return (text ?? "").split(/(\*\*[^*]+\*\*|\*[^*\s][^*]*\*|`[^`]+`)/).map((part) => {
    for (const [form, element] of kinds) {
      const found = part.match(form);
      if (found) return make(element, {}, found[1]);
    }
    return part;
  });
}

function typeOf(schema) {
  const seen = resolve(schema);
  if (seen.enum) return seen.enum.join(" | ");
  if (seen.const !== undefined) return String(seen.const);
  if (seen.oneOf) return seen.oneOf.map(typeOf).join(" | ");
  if (seen.allOf) return "object";
  const type = Array.isArray(seen.type) ? seen.type.join(" | ") : seen.type ?? "any";
  return type === "array" ? `list of ${typeOf(seen.items)}` : seen.format ? `${type} (${seen.format})` : type;
}

function members(schema) {
  const seen = resolve(schema);
  const all = {};
  for (const part of [seen, ...(seen.allOf ?? []).map(resolve)]) {
    for (const [name, member] of Object.entries(part.properties ?? {})) {
      all[name] = { schema: member, required: (part.required ?? []).includes(name) };
    }
  }
  return all;
}

function table(schema, depth = 0) {
  const rows = Object.entries(members(schema));
  if (!rows.length || depth > 6) return null;
  const body = make("tbody");
  for (const [name, { schema: member, required }] of rows) {
    const seen = resolve(member);
    const inner = seen.type === "array" ? seen.items : member;
    const cell = make("td", {}, ...prose(resolve(member).description));
    if (Object.keys(members(inner)).length) {
      const nested = make("div");
      const more = make("details", {}, make("summary", {}, "members"), nested);
      more.addEventListener("toggle", () => {
        if (more.open && !nested.childElementCount) nested.append(table(inner, depth + 1) ?? "");
      });
      cell.append(more);
    }
    body.append(make("tr", {}, make("td", { class: "path" }, name + (required ? " *" : "")), make("td", {}, typeOf(member)), cell));
  }
  return make("table", {}, body);
}

function field(parameter) {
  const schema = resolve(parameter.schema);
  const choices = schema.type === "boolean" ? ["true", "false"] : schema.enum;
  const attributes = { name: parameter.name, "data-in": parameter.in };
  const input = choices
    ? make("select", attributes, make("option", { value: "" }, ""), ...choices.map((one) => make("option", { value: one }, one)))
    : make("input", { ...attributes, autocomplete: "off", placeholder: schema.examples?.[0] ?? "" });
  if (parameter.required) input.required = true;
  const note = [parameter.in, typeOf(parameter.schema), parameter.description].filter(Boolean).join(" · ");
  return make("label", {}, parameter.name + (parameter.required ? " *" : ""), input, make("span", { class: "note" }, note));
}

function bodyFields(request) {
  const media = Object.keys(request.content);
  const choose = make("select", { name: "media" }, ...media.map((one) => make("option", { value: one }, one)));
  const place = make("div");
  const show = () => {
    place.replaceChildren();
    const schema = resolve(request.content[choose.value].schema);
    if (choose.value === "multipart/form-data") {
      for (const name of Object.keys(schema.properties)) {
        place.append(make("label", {}, name, make("input", { type: "file", "data-part": name })));
      }
    } else if (choose.value === "application/x-www-form-urlencoded") {
      for (const [name, member] of Object.entries(schema.properties)) {
        const value = resolve(member).const ?? "";
        const type = name === "client_secret" ? "password" : "text";
        place.append(make("label", {}, name, make("input", { type, "data-form": name, value, autocomplete: "off" })));
      }
    } else {
      place.append(make("label", {}, "A file", make("input", { type: "file", "data-file": "body" })));
      if (choose.value !== "application/pdf") place.append(make("label", {}, "or its text", make("textarea", { name: "text" })));
      place.append(table(request.content[choose.value].schema) ?? "");
    }
  };
  choose.addEventListener("change", show);
  show();
  return make("fieldset", {}, make("legend", {}, "Body"), choose, place);
}

async function bodyOf(form) {
  const media = form.elements.namedItem("media");
  if (!media) return {};
  const files = (selector) => [...form.querySelectorAll(selector)].filter((input) => input.files.length);
  if (media.value === "multipart/form-data") {
    const data = new FormData();
    for (const input of files("[data-part]")) data.append(input.dataset.part, input.files[0]);
    return { body: data };
  }
  if (media.value === "application/x-www-form-urlencoded") {
    const data = new URLSearchParams();
    for (const input of form.querySelectorAll("[data-form]")) if (input.value) data.append(input.dataset.form, input.value);
    return { body: data.toString(), type: media.value };
  }
  const [file] = files("[data-file]");
  return { body: file ? await file.files[0].arrayBuffer() : form.elements.namedItem("text")?.value ?? "", type: media.value };
}

async function send(method, path, form, output) {
  const query = new URLSearchParams();
  const headers = new Headers();
  let address = path;
  for (const input of form.querySelectorAll("[data-in]")) {
    if (!input.value) continue;
    if (input.dataset.in === "path") address = address.replace(`{${input.name}}`, encodeURIComponent(input.value));
    else if (input.dataset.in === "query") query.append(input.name, input.value);
    else headers.append(input.name, input.value);
  }
  const credential = document.getElementById("credential").value.trim();
  if (credential && path !== "/oauth2/token") headers.set("Authorization", `Bearer ${credential}`);
  const { body, type } = await bodyOf(form);
  if (type) headers.set("Content-Type", type);
  output.replaceChildren(make("p", {}, "Sending…"));
  try {
    const response = await fetch(address + (query.size ? `?${query}` : ""), { method: method.toUpperCase(), headers, body });
    await show(response, output);
  } catch (error) {
    output.replaceChildren(make("p", {}, `No answer: ${error.message}`));
  }
}

async function show(response, output) {
  const heads = [...response.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
  const parts = [make("p", {}, `${response.status} ${response.statusText}`), make("pre", {}, heads)];
  const type = response.headers.get("content-type") ?? "";
  const bytes = await response.blob();
  if (/json|xml|yaml|text/.test(type)) {
    let text = await bytes.text();
    if (/json/.test(type)) text = JSON.stringify(JSON.parse(text), null, 2);
    parts.push(make("pre", {}, text));
  } else if (bytes.size) {
    const name = /filename="([^"]+)"/.exec(response.headers.get("content-disposition") ?? "")?.[1] ?? "content";
    const link = make("a", { href: URL.createObjectURL(bytes), download: name }, `Save ${name} (${bytes.size} bytes)`);
    parts.push(make("p", {}, link));
  }
  output.replaceChildren(...parts);
}

function operation(method, path, item, operationItem) {
  const parameters = [...(item.parameters ?? []), ...(operationItem.parameters ?? [])].map(resolve);
  const scopes = (operationItem.security ?? description.security ?? []).flatMap((one) => Object.values(one).flat());
  const output = make("div");
  const form = make("form", {}, ...parameters.map(field));
  if (operationItem.requestBody) form.append(bodyFields(operationItem.requestBody));
  form.append(make("button", {}, "Send"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(method, path, form, output);
  });
  const answers = make("tbody");
  for (const [status, answer] of Object.entries(operationItem.responses)) {
    answers.append(make("tr", {}, make("td", {}, status), make("td", {}, ...prose(resolve(answer).description))));
  }
  const inner = make("div", {}, make("p", { class: "says" }, ...prose(operationItem.description)), form, output,
    make("h3", {}, "Answers"), make("table", {}, answers));
  const success = Object.entries(operationItem.responses).find(([status]) => status.startsWith("2"));
  const shape = success && resolve(success[1]).content?.["application/json"]?.schema;
  if (shape) inner.append(table(shape) ?? "");
  return make("details", { id: operationItem.operationId },
    make("summary", {}, make("span", { class: "method" }, method.toUpperCase()), make("span", { class: "path" }, path),
      " ", operationItem.summary ?? "", make("span", { class: "scope" }, scopes.join(", "))), inner);
}

async function start() {
  description = await (await fetch("/openapi.json")).json();
  const main = document.getElementById("operations");
  const list = make("ul");
  main.replaceChildren(make("p", { class: "says" }, ...prose(description.info.description)));
  for (const tag of description.tags) {
    const section = make("section", {}, make("h2", { id: tag.name }, tag.name));
    for (const [path, item] of Object.entries(description.paths)) {
      for (const method of METHODS) {
        if (!item[method]?.tags.includes(tag.name)) continue;
        section.append(operation(method, path, item, item[method]));
        const link = make("a", { href: `#${item[method].operationId}` }, item[method].summary);
        link.addEventListener("click", () => { document.getElementById(item[method].operationId).open = true; });
        list.append(make("li", {}, link));
      }
    }
    main.append(section);
  }
  document.getElementById("contents").replaceChildren(list);
}

start().catch((error) => {
  document.getElementById("operations").replaceChildren(make("p", {}, `The description cannot be read: ${error.message}`));
});
