"""Every word of the console in English and Chinese."""

# ruff: noqa: RUF001 - Chinese is written with full-width punctuation

from collections.abc import Mapping
from enum import StrEnum

from domain.channels import CHANNELS, COLUMNS
from domain.codes import CODES
from domain.equipment import Kind


class Language(StrEnum):
    """Languages of the console; the value is the HTML ``lang``."""

    EN = "en"
    ZH = "zh"


Pair = tuple[str, str]
"""English, Chinese."""

TEXTS: Mapping[str, Pair] = {
    "product": ("Special equipment watch", "特种设备监测"),
    "skip": ("Skip to content", "跳到正文"),
    "nav": ("Main", "主导航"),
    "board": ("Incident board", "事件看板"),
    "search": ("Equipment", "设备"),
    "quarantine": ("Quarantine", "隔离区"),
    "other_language": ("中文", "English"),
    "log_in": ("Log in", "登录"),
    "log_out": ("Log out", "退出"),
    "name": ("Name", "用户名"),
    "password": ("Password", "密码"),
    "sound_on": ("Sound on", "声音已开"),
    "sound_off": ("Sound off: enable", "声音已关：点击开启"),
    "sound_blocked": ("Sound waits for a click", "声音待点击启用"),
    "live": ("Live", "实时"),
    "connecting": ("Connecting", "连接中"),
    "lost": (
        "Connection lost. What you see may be out of date. Trying to reconnect.",
        "连接已中断，屏幕内容可能已过时，正在重新连接。",
    ),
    "no_script": (
        "This console needs JavaScript for live updates.",
        "本控制台需要 JavaScript 才能实时更新。",
    ),
    "announce": ("New incident", "新事件"),
    "announce_rescue": ("New rescue case", "新的救援事件"),
    "rescue_cases": ("Rescue cases", "救援事件"),
    "other_incidents": ("Other open incidents", "其他未结束事件"),
    "recent": ("Recently ended", "最近结束"),
    "no_rescue": ("No open rescue case", "无未结束的救援事件"),
    "no_others": ("No other open incident", "无其他未结束事件"),
    "no_recent": ("None", "无"),
    "shown_newest": ("Only the newest are shown.", "仅显示最新的部分。"),
    "level": ("Level", "级别"),
    "kind": ("What", "事件"),
    "kind_of": ("Kind", "种类"),
    "since_when": ("Since", "起始时间"),
    "earlier": ("Earlier claims", "较早的判断"),
    "claim_raised": ("raised by", "提出，来源"),
    "claim_ended": ("ended by", "结束，来源"),
    "equipment": ("Equipment", "设备"),
    "address": ("Address", "地址"),
    "detected": ("Detected", "发现时间"),
    "opened": ("Began", "开始时间"),
    "since": ("Running for", "已持续"),
    "state": ("State", "状态"),
    "firm": ("Maintenance firm", "维保单位"),
    "user_unit": ("User unit", "使用单位"),
    "contact": ("Contact", "联系方式"),
    "phone": ("Phone", "电话"),
    "identifiers": ("Identifiers", "识别码"),
    "area": ("Area", "区域"),
    "position": ("Position", "位置"),
    "place_class": ("Place", "场所"),
    "not_known": ("not known", "未知"),
    "no_firm": ("No firm: nobody is notified", "无维保单位：不会通知任何人"),
    "late": ("late data", "迟到数据"),
    "incident": ("Incident", "事件"),
    "acts": ("What to do", "处置"),
    "note": ("Note or comment", "备注或评论"),
    "add_comment": ("Add comment", "添加评论"),
    "close_reason": ("Reason for closing", "关闭原因"),
    "choose": ("Choose", "请选择"),
    "nothing_to_do": ("Nothing left to do here.", "无可执行的操作。"),
    "acknowledge": ("Acknowledge", "接警"),
    "accept": ("Accept", "接受任务"),
    "arrive": ("On site", "到达现场"),
    "free": ("People are free", "人员已救出"),
    "verify": ("Verified by call-back", "回访核实"),
    "resolve": ("Resolved", "已处理"),
    "close": ("Close", "关闭"),
    "levels": ("Level history", "级别变化"),
    "at": ("Time", "时间"),
    "evidence": ("Evidence", "证据"),
    "observation": ("Observation", "观察项"),
    "value": ("Value", "值"),
    "weight": ("Weight", "权重"),
    "weight_help": (
        "Weight: natural log-odds; positive speaks for the claim.",
        "权重：自然对数几率，正值支持该判断。",
    ),
    "by_detector": ("Claimed by", "判断来源"),
    "codes": ("Codes", "代码"),
    "code": ("Code", "代码"),
    "meaning_zh": ("Chinese", "中文含义"),
    "meaning_en": ("English", "英文含义"),
    "plot": ("Readings around the event", "事件前后的数据"),
    "plot_recent": ("Last 30 minutes", "最近 30 分钟"),
    "plot_empty": ("No readings in this time.", "该时段没有数据。"),
    "plot_failed": ("The readings could not be loaded.", "数据加载失败。"),
    "plot_began": ("began", "开始"),
    "plot_detected": ("detected", "发现"),
    "history": ("History", "处置记录"),
    "who": ("Who", "操作人"),
    "action": ("Action", "操作"),
    "deliveries": ("Notifications", "通知"),
    "no_deliveries": ("Nobody was notified.", "未发送通知。"),
    "receiver": ("Receiver", "接收方"),
    "channel": ("Channel", "通道"),
    "occasion": ("Occasion", "事由"),
    "outcome": ("Outcome", "结果"),
    "attempts": ("attempts", "次尝试"),
    "waiting": ("waiting", "等待发送"),
    "live_values": ("Live values", "实时数据"),
    "age": ("Age", "数据时效"),
    "unknown": ("unknown", "未知"),
    "last_was": ("last", "最后值"),
    "never": ("never reported", "从未上报"),
    "silent": (
        "Silent for longer than its limit: values are unknown.",
        "设备静默超过时限：数据未知。",
    ),
    "heard": ("Last heard", "最后上报"),
    "channel_name": ("Channel", "参数"),
    "registry": ("Registry", "登记信息"),
    "incidents_here": ("Incidents of this equipment", "本设备的事件"),
    "open_by_hand": ("Open a rescue case", "人工创建救援事件"),
    "open_help": (
        "For somebody who calls because people are trapped.",
        "用于接到被困人员来电时。",
    ),
    "open_now": ("Open rescue case", "创建救援事件"),
    "what_caller_said": ("What the caller said", "来电内容"),
    "search_label": (
        "Rescue code, registration code, id, name or address",
        "救援识别码、注册代码、编号、名称或地址",
    ),
    "search_button": ("Search", "查找"),
    "found": ("Found", "查找结果"),
    "nothing_found": ("Nothing found.", "没有找到。"),
    "next_page": ("Next page", "下一页"),
    "reason": ("Reason", "原因"),
    "sender": ("Sender", "发送方"),
    "topic": ("Topic", "主题"),
    "detail": ("Detail", "详情"),
    "count": ("Count", "次数"),
    "first": ("First", "首次"),
    "last": ("Last", "最近"),
    "originals": ("Originals, newest first", "原始消息（最新在前）"),
    "bytes": ("bytes", "字节"),
    "no_quarantine": ("Nothing was refused.", "没有被隔离的消息。"),
    "wrong_login": ("The name or the password is wrong.", "用户名或密码错误。"),
    "limited_login": (
        "Too many failed logins. Wait a few minutes.",
        "登录失败次数过多，请稍后再试。",
    ),
    "busy_login": ("Too many logins at once. Try again.", "登录请求过多，请重试。"),
    "times": ("Times are China Standard Time (UTC+8).", "时间均为北京时间（UTC+8）。"),
    "error_400": ("This request cannot be answered.", "无法处理该请求。"),
    "error_401": ("Please log in.", "请登录。"),
    "error_403": ("Your role may not do this.", "您的角色无此权限。"),
    "error_404": ("There is no such page.", "页面不存在。"),
    "error_503": ("A part of the service cannot be reached.", "服务的某个部分暂时不可用。"),
    "error_500": ("The service failed. Its log says why.", "服务出错，原因见日志。"),
    "back_to_board": ("Back to the board", "返回看板"),
    "act_failed": ("That did not work:", "操作未成功："),
    "role_operator": ("operator", "值班员"),
    "role_firm": ("firm", "维保单位"),
    "role_engineer": ("engineer", "工程师"),
    "role_admin": ("administrator", "管理员"),
    "level_advisory": ("Advisory", "提示"),
    "level_suspected": ("Suspected", "疑似"),
    "level_confirmed": ("Confirmed", "已证实"),
    "state_open": ("Open", "待接警"),
    "state_acknowledged": ("Acknowledged", "已接警"),
    "state_accepted": ("Accepted", "已受理"),
    "state_on_site": ("On site", "已到场"),
    "state_freed": ("Freed", "已救出"),
    "state_verified": ("Verified", "已核实"),
    "state_resolved": ("Resolved", "已处理"),
    "state_closed": ("Closed", "已关闭"),
    "action_opened": ("Opened", "创建"),
    "action_level_raised": ("Level raised", "级别升高"),
    "action_evidence_added": ("Evidence added", "补充证据"),
    "action_condition_ended": ("Condition ended", "异常状态结束"),
    "action_condition_returned": ("Condition returned", "异常状态再现"),
    "action_acknowledged": ("Acknowledged", "接警"),
    "action_accepted": ("Accepted", "接受任务"),
    "action_arrived": ("Arrived on site", "到达现场"),
    "action_freed": ("People freed", "人员救出"),
    "action_verified": ("Verified by call-back", "回访核实"),
    "action_resolved": ("Resolved", "已处理"),
    "action_closed": ("Closed", "关闭"),
    "action_commented": ("Comment", "评论"),
    "reason_rescued": ("Rescued", "已救援"),
    "reason_self_released": ("Released themselves", "自行脱困"),
    "reason_repaired": ("Repaired", "已修复"),
    "reason_condition_ended": ("Condition ended", "异常已消失"),
    "reason_false_alarm": ("False alarm", "误报"),
    "reason_test": ("Test", "测试"),
    "reason_duplicate": ("Duplicate", "重复"),
    "outcome_delivered": ("Delivered", "已送达"),
    "outcome_retry": ("Will be tried again", "将重试"),
    "outcome_given_up": ("Given up", "已放弃"),
    "phase_raised": ("raised", "提出"),
    "phase_ended": ("ended", "结束"),
    "refusal_bad_topic": ("Topic is not of the contract", "主题不符合约定"),
    "refusal_unknown_equipment": ("Equipment is not in the registry", "设备未登记"),
    "refusal_wrong_kind": ("Wrong kind of equipment", "设备种类不符"),
    "refusal_foreign_id": ("Speaks for another's equipment", "冒用其他设备编号"),
    "refusal_too_large": ("Too large", "消息过大"),
    "refusal_too_many_items": ("Too many items", "条目过多"),
    "refusal_not_utf8": ("Not UTF-8", "不是 UTF-8 编码"),
    "refusal_not_json": ("Not JSON", "不是 JSON"),
    "refusal_too_deep": ("Nested too deep", "嵌套过深"),
    "refusal_bad_item": ("Item is malformed", "条目格式错误"),
    "refusal_bad_time": ("Time cannot be read", "时间无法识别"),
    "refusal_no_content": ("No content", "没有内容"),
    "kind_lift": ("Lift", "电梯"),
    "kind_escalator": ("Escalator", "自动扶梯"),
    "kind_boiler": ("Boiler", "锅炉"),
    "kind_crane": ("Crane", "起重机"),
    "kind_vessel": ("Pressure vessel", "压力容器"),
    "kind_vehicle": ("Industrial vehicle", "场内车辆"),
    "scheme_registration_code": ("Registration code", "注册代码"),
    "scheme_rescue_code": ("Rescue code", "救援识别码"),
    "scheme_equipment_code": ("Equipment code", "设备代码"),
    "scheme_certificate": ("Certificate", "使用登记证"),
    "yes": ("yes", "是"),
    "no": ("no", "否"),
    "system": ("system", "系统"),
}
"""Words by key."""

OBSERVATIONS: Mapping[str, Pair] = {
    "stopped_s": ("stopped for", "停止时长"),
    "door_story": ("what the door did", "门的动作"),
    "alarm_button": ("alarm button", "报警按钮"),
    "failed_door_cycles": ("failed door cycles", "关门失败次数"),
    "time_to_set_pressure_s": ("time to safety-valve set pressure", "预计到达整定压力时间"),
    "safety_valve_set_mpa": ("safety-valve set pressure", "安全阀整定压力"),
    "rated_pressure_mpa": ("rated pressure", "额定压力"),
    "load_ratio": ("load ÷ capacity", "载荷比"),
    "capacity_t": ("capacity at this radius", "当前幅度额定起重量"),
    "silent_s": ("silent for", "静默时长"),
    "reported_by": ("reported by", "报告人"),
    "note": ("note", "备注"),
    "codes": ("codes", "代码"),
    "boarded_and_did_not_start": ("boarded and did not start", "有人进入后未启动"),
    "present_before_door_opened": ("somebody inside before the door opened", "开门前轿厢内已有人"),
    "sensor_stuck": ("presence sensor may be stuck", "人体感应可能卡死"),
    "door_shut_since_arrival": ("kept shut since arrival", "到达后一直未开"),
}
"""Observations of detectors that are neither channels nor codes, and words among their values."""


def pick(pair: Pair, language: Language) -> str:
    """Text of a pair in a language."""
    return pair[language is Language.ZH]


def text(key: str, language: Language) -> str:
    """Text of a key; an unknown key is a programmer's error."""
    return pick(TEXTS[key], language)


def observation(name: str, kind: Kind | None, language: Language) -> str:
    """Name of an observation: a code, a channel of the kind, or a detector's own word."""
    if name in CODES:
        code = CODES[name]
        return f"{code.code} {pick((code.en, code.zh), language)}"
    if kind is not None and name in COLUMNS[kind]:
        channel = CHANNELS[kind][COLUMNS[kind][name]]
        return pick((channel.en, channel.zh), language)
    return pick(OBSERVATIONS[name], language) if name in OBSERVATIONS else name.replace("_", " ")
